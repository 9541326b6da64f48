package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Name is a log-in name as somebody typed it or a client's token claims it. It
// proves nothing: it is for asking a controller and for the log.
type Name struct {
	// Domain is what stood before a backslash, a NetBIOS or a DNS name; empty
	// where the client named none.
	Domain string
	// User is the rest: a bare name, or user@suffix.
	User string
}

// MaxNameLength is the longest user or domain name asked about, in bytes.
// sAMAccountName ends at 256 characters ([MS-ADA3] 2.222) and UPNs at 1,024;
// nobody types the latter.
const MaxNameLength = 256

// ParseName splits DOMAIN\user at the first backslash. A bare name and
// user@suffix stay whole. Nothing is trimmed or folded.
func ParseName(typed string) Name {
	if domain, user, ok := strings.Cut(typed, `\`); ok {
		return Name{Domain: domain, User: user}
	}
	return Name{User: typed}
}

// UPN splits user@suffix at the last at sign. It reports false for a bare name.
func (n Name) UPN() (user, suffix string, ok bool) {
	at := strings.LastIndexByte(n.User, '@')
	if at < 0 {
		return "", "", false
	}
	return n.User[:at], n.User[at+1:], true
}

// Check refuses names that no directory can hold, before anybody is asked:
// empty or blank, over MaxNameLength, invalid UTF-8, NUL or another control
// character.
func (n Name) Check() error {
	if strings.TrimSpace(n.User) == "" {
		return Fail(KindBadName, nil)
	}
	for _, part := range [...]string{n.Domain, n.User} {
		if len(part) > MaxNameLength || !utf8.ValidString(part) || strings.ContainsFunc(part, unicode.IsControl) {
			return Fail(KindBadName, nil)
		}
	}
	return nil
}

// String is DOMAIN\user, or the user alone.
func (n Name) String() string {
	if n.Domain == "" {
		return n.User
	}
	return n.Domain + `\` + n.User
}
