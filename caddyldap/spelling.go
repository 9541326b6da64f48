package caddyldap

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// maxSpelling is how many bytes of a name stand for it as they are; a longer one is
// hashed. Composed letters may grow to many.
const maxSpelling = 256

// spell is the form in which names are counted: letters without case, width, accents
// and marks, and nothing else that directories were seen to pass over, as spaces and
// characters without a meaning. It joins more names than any directory does, and for
// counting alone that is right: of two accounts that share a counter each can be shut
// out for a while by who guesses at the other, which he could do by its own name; one
// account with two counters is locked by the domain. Letters of different scripts that
// look alike stay apart.
func spell(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, string(utf8.RuneError))
	}
	if !isASCII(text) {
		text = norm.NFKD.String(text)
	}
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		spellRune(&b, r)
	}
	if b.Len() > maxSpelling {
		sum := sha256.Sum256([]byte(b.String()))
		return hex.EncodeToString(sum[:])
	}
	return b.String()
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// spelledOut are small letters that directories take for several, or for one with a
// stroke.
var spelledOut = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ð': "d", 'đ': "d", 'ø': "o", 'ł': "l", 'ħ': "h", 'ŧ': "t",
}

func spellRune(b *strings.Builder, r rune) {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		if r > ' ' && r != 0x7F {
			b.WriteByte(byte(r))
		}
		return
	}
	if !unicode.IsGraphic(r) || unicode.IsSpace(r) || unicode.Is(unicode.M, r) || r == utf8.RuneError {
		return
	}
	r = unicode.ToLower(unicode.ToUpper(r)) // ς and ı are letters that only their capitals join with others
	if out, ok := spelledOut[r]; ok {
		b.WriteString(out)
		return
	}
	if 'ぁ' <= r && r <= 'ゖ' {
		r += 'ァ' - 'ぁ'
	}
	b.WriteRune(r)
}

// spelling is what a claimed name comes down to without its domain and suffix, and
// without the $ of a machine account. The domain of an NTLM message proves nothing, and
// in Active Directory each UPN suffix of the forest makes a name of sAMAccountName,
// [MS-ADTS] 5.1.1.1.1.
func spelling(n identity.Name) string {
	user := spell(n.User)
	if _, after, ok := cutLast(user, `\`); ok && n.Domain == "" && after != "" {
		user = after
	}
	if before, _, ok := cutLast(user, "@"); ok && before != "" {
		user = before
	}
	if bare := strings.TrimRight(user, "$"); bare != "" {
		user = bare
	}
	return user
}

func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}
