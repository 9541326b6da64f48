package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

// checkSpaces refuses a URL that fell apart at the spaces of its base DN, and
// says how it is written. Each of its pieces could otherwise be taken for a
// server of its own.
func checkSpaces(args []caddyfile.Token) error {
	for i, arg := range args {
		if arg.Quoted() || !mayGoOn(arg.Text) {
			continue
		}
		whole := arg.Text
		for _, next := range args[i+1:] {
			if next.Quoted() || strings.ContainsAny(next.Text, "/@") { // another server, or what no error may show
				break
			}
			whole += " " + next.Text
			if u, err := caddyldap.ParseServer(whole); err == nil && !mayGoOn(whole) && strings.Contains(u.BaseDN, " ") {
				return errorAt(arg, `a URL ends at a space: write "%s", in quotes, or %%20 for each space`, short(whole))
			}
		}
	}
	return nil
}

// mayGoOn says that a server is a URL with a base DN, and that more of the DN may
// come: it does not end in DC=….
func mayGoOn(text string) bool {
	_, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		rest = text
	}
	_, path, _ := strings.Cut(rest, "/")
	if !strings.Contains(path, "=") || strings.Contains(text, "@") {
		return false
	}
	parsed, err := ldap.ParseDN(path)
	return err != nil || len(parsed.RDNs) == 0 || !endsInDC(parsed)
}
