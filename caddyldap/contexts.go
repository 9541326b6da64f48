package caddyldap

import (
	"context"
	"errors"
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

// groupSearch looks for groups of one account.
type groupSearch struct {
	conn    *conn
	ad      bool
	account string // its DN
	bases   []groupBase
	read    []string // attributes of groups
}

func (d *Directory) newGroupSearch(c *conn, root rootDSE, account string) *groupSearch {
	return &groupSearch{conn: c, ad: root.ad, account: account, bases: d.groupBases(root, account), read: d.reading.groups}
}

// all searches each of the bases. One that whoever searches may not see answers
// as if it were not there, and so does one without any entry: beside the
// account's own such a one holds no groups.
func (s *groupSearch) all(ctx context.Context, filter string, attributes ...string) ([]*ldap.Entry, error) {
	var all []*ldap.Entry
	for _, base := range s.bases {
		entries, err := s.conn.search(ctx, base.dn, ldap.ScopeWholeSubtree, filter, maxGroups, attributes...)
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

// groups are those that fit a filter. What lies below the account's own entry is
// none: directories let people write there, as for an address book, and whoever
// may make a group of any name is in every group.
func (s *groupSearch) groups(ctx context.Context, filter string) ([]*ldap.Entry, error) {
	entries, err := s.all(ctx, filter, s.read...)
	if errors.Is(err, errLimit) {
		return nil, tooManyGroups()
	}
	if err != nil || s.ad {
		return entries, err
	}
	return slices.DeleteFunc(entries, func(e *ldap.Entry) bool { return holdsAny(s.account, []string{e.DN}) }), nil
}
