package caddyldap

import (
	"context"
	"errors"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// posixGroups adds the groups that know their members by their log-in names, or
// are the primary group of the account, RFC 2307 2.2 (posixGroup: memberUid,
// gidNumber), and returns their DNs. Active Directory is not asked: there the
// attributes mean nothing to Windows.
func (d *Directory) posixGroups(ctx context.Context, c *conn, root rootDSE, p person, found map[string]*ldap.Entry) ([]string, error) {
	if root.ad {
		return nil, nil
	}
	var terms strings.Builder
	if name := oneValue(p.entry, "uid"); name != "" { // one: a further uid may be another account's
		terms.WriteString("(memberUid=" + ldap.EscapeFilter(name) + ")")
	}
	if gid := value(p.entry, "gidNumber"); gid != "" {
		terms.WriteString("(gidNumber=" + ldap.EscapeFilter(gid) + ")")
	}
	if terms.Len() == 0 {
		return nil, nil
	}
	entries, err := c.search(ctx, root.base, ldap.ScopeWholeSubtree, "(&(objectClass=posixGroup)(|"+terms.String()+"))", maxGroups, groupAttributes...)
	if errors.Is(err, errLimit) {
		return nil, tooManyGroups()
	}
	if err != nil {
		return nil, err
	}
	var fresh []string
	for _, e := range entries {
		if key := identity.Fold(e.DN); found[key] == nil {
			found[key] = e
			fresh = append(fresh, e.DN)
		}
	}
	return fresh, nil
}
