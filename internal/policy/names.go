package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// form is how a name in a rule is written.
type form uint8

const (
	bare     form = iota
	inDomain      // DOMAIN\name
	upn           // user@suffix
	dn            // CN=…,DC=…
	bySID         // S-1-…
)

// name is one name of a rule, folded and ready to compare.
type name struct {
	form   form
	raw    string // as it is written, without its domain
	text   string // raw, folded
	domain string // folded, for inDomain
	sid    identity.SID
}

// Builtin is the domain name of groups such as Administrators.
const Builtin = "BUILTIN"

// FoldDN is the form in which two DNs are compared: parsed (RFC 4514), types
// and values in upper case. A DN that does not parse is folded as it stands.
func FoldDN(text string) string {
	parsed, err := ldap.ParseDN(text)
	if err != nil {
		return identity.Fold(text)
	}
	for _, rdn := range parsed.RDNs {
		for _, part := range rdn.Attributes {
			if utf8.ValidString(part.Value) { // String escapes letters beyond ASCII, which then have no case
				part.Value = identity.Fold(part.Value)
			}
		}
	}
	return identity.Fold(parsed.String())
}

// isOwnDN reports whether a DN is of the account's own domain, and of a name that
// could be read there. A foreign security principal is not: another domain knows
// its name.
func (n *name) isOwnDN(id *identity.Identity) bool {
	own := id.Folded().DNSDomain
	above, ok := strings.CutSuffix(n.text, ",DC="+strings.ReplaceAll(own, ".", ",DC="))
	return ok && own != "" && !strings.Contains(above, ",DC=") && !strings.HasSuffix(above, ",CN=FOREIGNSECURITYPRINCIPALS")
}

func parseName(word, text string) (name, error) {
	if strings.TrimSpace(text) == "" {
		return name{}, fmt.Errorf("%s: an empty name", word)
	}
	if text[0] == '{' && text[len(text)-1] == '}' {
		return name{}, fmt.Errorf("%s %s: placeholders are not replaced in a rule, so it would name nobody; {$VAR} is, when the Caddyfile is read", word, text)
	}
	if len(text) > 4 && strings.EqualFold(text[:4], "S-1-") {
		sid, err := identity.ParseSID(text)
		if err != nil {
			return name{}, fmt.Errorf("%s %s: %w", word, text, err)
		}
		return name{form: bySID, sid: sid}, nil
	}
	if strings.Contains(text, "=") {
		if parsed, err := ldap.ParseDN(text); err != nil || len(parsed.RDNs) == 0 {
			return name{}, fmt.Errorf("%s %q: not a distinguished name: %w", word, text, err)
		}
		return name{form: dn, raw: text, text: FoldDN(text)}, nil
	}
	if strings.Contains(text, `\`) {
		return parseInDomain(word, text)
	}
	if word == "user" && strings.Contains(text, "@") {
		return name{form: upn, raw: text, text: identity.Fold(text)}, nil
	}
	return parseBare(word, text)
}

// parseInDomain takes DOMAIN\name. A second backslash behind the first was meant
// to escape it, and would name nobody; one within the name may be the name's own
// outside Active Directory.
func parseInDomain(word, text string) (name, error) {
	domain, user, _ := strings.Cut(text, `\`)
	one := domain + `\` + strings.TrimLeft(user, `\`)
	switch {
	case domain == "" || strings.Trim(user, `\`) == "":
		return name{}, fmt.Errorf(`%s %s: want DOMAIN\name`, word, text)
	case one != text:
		return name{}, fmt.Errorf("%s %s: one backslash is enough, in quotes too: write %s", word, text, quoted(word, []string{one}))
	}
	return name{form: inDomain, domain: identity.Fold(domain), raw: user, text: identity.Fold(user)}, nil
}

// parseBare takes a name alone. One with a slash is nearly always DOMAIN/name,
// which would name nobody; who has such a name writes its domain too.
func parseBare(word, text string) (name, error) {
	domain, rest, slash := strings.Cut(text, "/")
	if slash && (domain == "" || rest == "") {
		return name{}, fmt.Errorf(`%s %s: want a name, or DOMAIN\name`, word, text)
	}
	if slash {
		return name{}, fmt.Errorf(`%[1]s %[2]s: between domain and name stands a backslash: write %[3]s; a name that has a slash itself is written with its domain, DOMAIN\%[2]s`,
			word, text, quoted(word, []string{domain + `\` + rest}))
	}
	return name{form: bare, raw: text, text: identity.Fold(text)}, nil
}

func parseNames(word string, texts []string) ([]name, error) {
	if len(texts) == 0 {
		return nil, errors.New(word + " names nobody")
	}
	names := make([]name, len(texts))
	for i, text := range texts {
		n, err := parseName(word, text)
		if err != nil {
			return nil, err
		}
		names[i] = n
	}
	return names, nil
}
