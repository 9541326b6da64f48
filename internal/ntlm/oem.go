package ntlm

import (
	"strings"
	"unicode/utf8"
)

// decodeOEM reads a name in the character set that [MS-NLMP] calls OEM and
// never says which: the sender's own. Windows clients send UTF-16, so these
// bytes come from other programs. curl copies what it was given, which is UTF-8
// on today's systems; older tools on Windows send the ANSI code page. Therefore
// bytes that are valid UTF-8 are read as UTF-8, and others as Windows-1252;
// text in 1252 with a letter beyond ASCII is hardly ever valid UTF-8.
//
// The guess reaches logs and the in-process Server. A relay passes the
// client's own bytes on, and the controller's answer names the account.
func decodeOEM(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		if c >= 0x80 && c < 0xA0 {
			s.WriteRune(windows1252[c-0x80])
			continue
		}
		s.WriteRune(rune(c))
	}
	return s.String()
}

// windows1252 holds the part of the code page that differs from Latin-1. Its
// five unassigned bytes stand for the control characters of the same number.
var windows1252 = [32]rune{
	0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
	0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
	0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
	0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
}
