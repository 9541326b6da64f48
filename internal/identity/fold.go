package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold is the form in which account and group names are compared: capitals of
// the letters that every directory knows to have a small form. It must never
// join two names that a directory keeps apart, as two accounts: the second
// registrant would be the first. So it joins no more than two letters at a time,
// and leaves as they are ς, the sign µ, the Kelvin sign, ı, ſ, ẞ, and scripts whose
// capitals are newer than the tables of some servers. What cannot be read as UTF-8
// stays as it is.
func Fold(name string) string {
	if !utf8.ValidString(name) {
		return name
	}
	return strings.Map(foldRune, name)
}

// cased are the capitals that have one small letter, and with it are one letter to
// OpenLDAP's caseIgnoreMatch (RFC 4517 4.2.11; its tables are of Unicode 3.2) as well
// as to Samba's tables, which are Windows' own ([MS-UCODEREF] 3.1.5.3). Both were
// asked, letter by letter.
var cased = &unicode.RangeTable{R16: []unicode.Range16{
	{0x00C0, 0x00DE, 1}, // Latin-1
	{0x0100, 0x017D, 1}, // Latin Extended-A
	{0x0386, 0x03AB, 1}, // Greek
	{0x0401, 0x040C, 1}, // Cyrillic
	{0x040E, 0x042F, 1},
	{0x0460, 0x0480, 1},
	{0x0490, 0x04BE, 1},
	{0x04D0, 0x04EA, 1},
	{0x0531, 0x0556, 1}, // Armenian
	{0x1E00, 0x1E94, 1}, // Latin Extended Additional
	{0x1EA0, 0x1EF8, 1},
	{0x1F08, 0x1F6F, 1}, // Greek Extended
	{0xFF21, 0xFF3A, 1}, // full width
}}

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	if upper := unicode.ToUpper(r); unicode.Is(cased, upper) && unicode.ToLower(upper) == r {
		return upper
	}
	return r
}

// Resembles reports whether two names differ in nothing but what Unicode takes for
// case, which is more than Fold does. Where a rule's name only resembles an account's,
// nobody can tell whether the directory means one by both.
func Resembles(a, b string) bool { return strings.EqualFold(a, b) }

// IsPlain reports whether a name or DN is of ASCII and escapes nothing: to two such
// names Fold and Resembles say the same.
func IsPlain(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf || r == '\\' })
}

// Lower is a name in lower case, for applications that want it so. It undoes what
// Fold does and no more: two accounts must not become one there.
func Lower(name string) string {
	if !utf8.ValidString(name) {
		return name
	}
	return strings.Map(func(r rune) rune {
		if lower := unicode.ToLower(r); lower != r && foldRune(lower) == r {
			return lower
		}
		return r
	}, name)
}

// FoldsTo reports whether Fold(text) is the text given. It allocates nothing.
func FoldsTo(text, folded string) bool {
	if !utf8.ValidString(text) {
		return text == folded
	}
	for _, r := range text {
		want, n := utf8.DecodeRuneInString(folded)
		if n == 0 || foldRune(r) != want {
			return false
		}
		folded = folded[n:]
	}
	return folded == ""
}
