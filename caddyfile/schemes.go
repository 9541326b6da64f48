package caddyfile

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

// schemes says of each scheme whether a verifier serves it.
var schemes = map[string]func(verifier string) bool{
	"basic": func(verifier string) bool { return caddyldap.Serves(verifier).Password },
	"negotiate": func(verifier string) bool {
		s := caddyldap.Serves(verifier)
		return s.Ticket || s.NTLM
	},
	"ntlm": func(verifier string) bool { return caddyldap.Serves(verifier).NTLM },
}

func readSchemes(a *handler, l line) error {
	for _, arg := range l.args {
		if strings.Contains(arg.Text, ",") {
			return errorAt(arg, "a comma in %s: separate schemes by spaces", short(arg.Text))
		}
		if isKerberos(arg.Text) {
			return errorAt(arg, "unknown scheme %s in schemes: Kerberos comes under negotiate, with verify keytab in the ldap block (known: %s)", arg.Text, strings.Join(slices.Sorted(maps.Keys(schemes)), ", "))
		}
		if _, known := schemes[arg.Text]; !known {
			return unknown(arg, "scheme", "schemes", slices.Sorted(maps.Keys(schemes)))
		}
		if slices.Contains(a.Schemes, arg.Text) {
			return errorAt(arg, "the scheme %s stands twice", arg.Text)
		}
		a.Schemes = append(a.Schemes, arg.Text)
	}
	a.schemes = l.args
	return nil
}

// isKerberos says of an unknown scheme that Kerberos is meant.
func isKerberos(text string) bool {
	return slices.ContainsFunc([]string{"kerberos", "krb5", "spnego", "gssapi"}, func(name string) bool { return strings.EqualFold(name, text) })
}

// checkSchemes refuses a scheme that no verifier of the site's directories
// serves.
func (a *handler) checkSchemes() error {
	names := a.verifiers()
	if err := a.checkRetired(names); err != nil {
		return err
	}
	for _, at := range a.schemes {
		if !slices.ContainsFunc(names, schemes[at.Text]) {
			return errorAt(at, "schemes: no verifier of the site's directories serves %s: there is verify %s", at.Text, strings.Join(names, ", verify "))
		}
	}
	return nil
}

// verifiers are the names of those of all the site's directories.
func (a *handler) verifiers() (names []string) {
	for _, d := range a.site {
		names = append(names, verifiers(d)...)
	}
	return names
}

// verifiers are the names of a directory's verifiers.
func verifiers(d *caddyldap.Directory) []string {
	if len(d.VerifyRaw) == 0 {
		return caddyldap.DefaultVerifiers()
	}
	names := make([]string, len(d.VerifyRaw))
	for i, raw := range d.VerifyRaw {
		var module struct {
			Verifier string `json:"verifier"`
		}
		_ = json.Unmarshal(raw, &module) // no name serves nothing
		names[i] = module.Verifier
	}
	return names
}
