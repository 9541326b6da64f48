package caddyfile

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// checkFactor refuses totp over a directory whose secrets nobody but the users
// themselves could read.
func (a *handler) checkFactor() error {
	if a.factor == nil {
		return nil
	}
	for i, d := range a.site {
		if d.ServiceAccount == nil {
			return errorAt(*a.factor, "totp needs a service_account, which alone may read the secrets: users must not. Write the line service_account into %s", a.blockOf(i))
		}
	}
	return a.checkSecret()
}

// blockOf is where the lines of a directory of the site stand.
func (a *handler) blockOf(i int) string {
	if a.own != nil {
		return "directory { … }"
	}
	return "the global block ldap " + a.Directories[i]
}

// checkSecret refuses an attribute of secrets that another line of the site or of
// its directories names, and would show.
func (a *handler) checkSecret() error {
	name := a.TOTP.Attribute
	for i, d := range a.site {
		if where := d.NamedIn(name); where != "" {
			return namesSecret([]string{name}, name, a.secretAt, a.blockOf(i)+" names it "+where)
		}
	}
	for i, rule := range a.rules {
		if err := namesSecret(rule.Attributes(), name, a.rulesAt[i], "a rule asks about it"); err != nil {
			return err
		}
	}
	for i, at := range a.forwardAt {
		if err := namesSecret(caddyntlm.AttributesOf(a.Forward[i:i+1]), name, at, "the header "+a.Forward[i].Header+" would show it"); err != nil {
			return err
		}
	}
	return nil
}

// namesSecret refuses the secret's attribute among names that a line asks about.
func namesSecret(names []string, secret string, at caddyfile.Token, why string) error {
	if !slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, secret) }) {
		return nil
	}
	return errorAt(at, "totp: the attribute %s holds secrets, and %s: keep the secrets in an attribute that nothing else names", secret, why)
}
