package caddyldap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// GivesRole reports whether the directory's map could give a role to anybody.
func (d *Directory) GivesRole(role string) bool { return d.mapping.gives(role) }

// CheckRoles refuses a role that no map of the directories gives: it is misspelt in
// most cases, and a none around it would keep nobody out.
func CheckRoles[D interface {
	Name() string
	GivesRole(role string) bool
}](named []policy.NamedRole, directories []D) error {
	for _, n := range named {
		if slices.ContainsFunc(directories, func(d D) bool { return d.GivesRole(n.Role) }) {
			continue
		}
		names := make([]string, len(directories))
		for i, d := range directories {
			names[i] = d.Name()
		}
		where := strings.Join(names, ", ")
		if where == "" {
			where = "any directory"
		}
		return fmt.Errorf("require %s: no map of %s gives the role %s, so nobody can have it: mend the name, or add a line to map that gives it",
			n.Rule, where, n.Role)
	}
	return nil
}
