package loginpage

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxTarget is the longest target that a log-in leads to, in bytes: what is longer
// would not pass as a Location everywhere.
const MaxTarget = 2048

// Target is where a log-in leads, as a path of the same origin with its query and
// fragment, fit to be a Location: next, where it is one, else the fallback. It looks at
// nothing of the request, so that no Host or X-Forwarded header leads anywhere.
//
// What a browser keeps on the origin and a server behind might not, because it decodes
// twice or cleans paths by redirects, is refused too. So is what lies under base, the
// path of the log-in itself: nobody is logged out by a log-in, nor led in a circle.
func Target(next, base, fallback string) string {
	path, rest, ok := split(next)
	if !ok || !leadsStraight(path, base) {
		return fallback
	}
	target := escape(path) + escape(rest)
	if _, err := url.Parse(target); err != nil || len(target) > MaxTarget {
		return fallback
	}
	return target
}

// split parts a target into its path and the rest, from ? or # on. It refuses what is
// no path from the root, what is too long, and what no browser sends: control
// characters, which browsers drop or send on as they like, and bytes that are no UTF-8.
func split(next string) (path, rest string, ok bool) {
	if len(next) > MaxTarget || !strings.HasPrefix(next, "/") || !utf8.ValidString(next) || strings.ContainsFunc(next, isControl) {
		return "", "", false
	}
	if at := strings.IndexAny(next, "?#"); at >= 0 {
		return next[:at], next[at:], true
	}
	return next, "", true
}

// isControl reports whether a character steers instead of being shown: C0, DEL, C1, and
// the separators of lines, which ends of headers have been made of.
func isControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// decodings is how often a path is decoded before it is believed: servers that decode
// twice are known, and one more costs nothing.
const decodings = 3

// leadsStraight reports whether a path says where it leads however often somebody
// decodes it: it begins with one slash, goes through no dot segments, and does not lead
// to base or below.
func leadsStraight(path, base string) bool {
	for range decodings {
		if !isStraight(path, base) {
			return false
		}
		path = decode(path)
	}
	return isStraight(path, base) && path == decode(path)
}

// decode decodes the escapes in a path, and leaves what is none, as lenient servers do.
func decode(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if c, err := strconv.ParseUint(path[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

func isStraight(path, base string) bool {
	if !strings.HasPrefix(path, "/") || strings.ContainsRune(path, '\\') ||
		!utf8.ValidString(path) || strings.ContainsFunc(path, isControl) {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(path[1:]); isSlash(r) {
		return false
	}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		name, _, _ := strings.Cut(segment, ";") // where servers cut parameters off, RFC 3986 3.3
		name = strings.TrimSpace(name)
		if name == "." || name == ".." || i == 0 && name == "" && len(segments) > 1 {
			return false
		}
	}
	below, ok := strings.CutPrefix(strings.ToLower(path), strings.ToLower(base))
	return base == "" || !ok || below != "" && below[0] != '/' && below[0] != ';'
}

// isSlash reports whether a character is a slash, or one to somebody who normalizes
// text (Unicode's NFKC makes slashes of two of them, and code pages of the rest).
func isSlash(r rune) bool { return strings.ContainsRune("/\\\u2044\u2215\u29f8\uff0f\uff3c", r) }

// escape writes what a Location cannot hold, or browsers would write in their own way,
// as RFC 3986 2.1 has it. A percent sign is left alone.
func escape(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
		}
	}
	return b.String()
}
