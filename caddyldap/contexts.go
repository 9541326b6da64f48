package caddyldap

import (
	"context"
	"slices"

	"github.com/go-ldap/ldap/v3"
)

// maxContexts is how many naming contexts are searched for groups: a server
// decides neither how often we ask it nor how long somebody waits.
const maxContexts = 16

// groupBase is a naming context where groups are searched, RFC 4512 5.1.
type groupBase struct {
	dn     string
	needed bool // it holds the account, so that it is there
}

// groupBases are the naming contexts of a server where an account may have
// groups. In Active Directory that is the domain: what else there is holds none.
// Of more than maxContexts those with accounts come first.
func (d *Directory) groupBases(root rootDSE, account string) []groupBase {
	if root.ad {
		return []groupBase{{root.base, true}}
	}
	order := slices.Clone(root.contexts)
	if len(order) > maxContexts {
		slices.SortStableFunc(order, func(a, b string) int {
			return b2i(holdsAny(b, append(d.basesOf(root), account))) - b2i(holdsAny(a, append(d.basesOf(root), account)))
		})
		order = order[:maxContexts]
	}
	bases := make([]groupBase, len(order))
	for i, dn := range order {
		bases[i] = groupBase{dn, holdsAny(dn, []string{account})}
	}
	return bases
}

// holdsAny reports whether one of the entries is a DN or below it.
func holdsAny(dn string, entries []string) bool {
	above, err := ldap.ParseDN(dn)
	return err == nil && slices.ContainsFunc(entries, func(entry string) bool {
		below, err := ldap.ParseDN(entry)
		return err == nil && (above.EqualFold(below) || above.AncestorOfFold(below))
	})
}

// searchIn searches each of the bases for groups. One that whoever searches may not see
// answers as if it were not there, and so does one without any entry: beside the
// account's own such a one holds no groups.
func (c *conn) searchIn(ctx context.Context, bases []groupBase, filter string, attributes ...string) ([]*ldap.Entry, error) {
	var all []*ldap.Entry
	for _, base := range bases {
		entries, err := c.search(ctx, base.dn, ldap.ScopeWholeSubtree, filter, maxGroups, attributes...)
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) && !base.needed {
			continue
		}
		if err != nil {
			return nil, err
		}
		if all = append(all, entries...); len(all) > maxGroups {
			return nil, errLimit
		}
	}
	return all, nil
}
