package caddyfile

import "github.com/caddy-ntlm/caddy-ntlm/caddyldap"

// rolesOf is a directory of the site, as far as roles go.
type rolesOf struct {
	*caddyldap.Directory
	name string
}

func (d rolesOf) Name() string { return d.name }

func (d rolesOf) GivesRole(role string) bool { return d.Map.Gives(role) }

// checkRoles refuses a role that no map of the site's directories gives, at the line of
// the rule.
func (a *handler) checkRoles() error {
	directories := make([]rolesOf, len(a.site))
	for i, d := range a.site {
		directories[i] = rolesOf{Directory: d, name: a.blockOf(i)}
	}
	for i, rule := range a.rules {
		if err := caddyldap.CheckRoles(rule.Roles(), directories); err != nil {
			return errorAt(a.rulesAt[i], "%w", err)
		}
	}
	return nil
}
