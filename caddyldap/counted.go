package caddyldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Group says which groups count, and by what they are called.
type Group struct {
	// The attribute that holds the names of groups. Default: sAMAccountName in
	// Active Directory, cn elsewhere.
	Attribute string `json:"attribute,omitempty"`
	// An LDAP filter that a group must fit to count. What it does not fit is
	// still climbed through.
	Filter string `json:"filter,omitempty"`
	// Whether the groups of groups count too. Default: true.
	Nested *bool `json:"nested,omitempty"`
}

func (d *Directory) checkGroup() error {
	g := d.Group
	if g == nil {
		return nil
	}
	if g.Attribute != "" && !identity.CheckAttribute(g.Attribute) {
		return fmt.Errorf("group: attribute %q is not the name of an LDAP attribute such as cn", g.Attribute)
	}
	if g.Filter != "" {
		if _, err := ldap.CompileFilter(g.Filter); err != nil {
			return fmt.Errorf("group: filter %s is no LDAP filter such as (ou=web): %w", g.Filter, err)
		}
	}
	return nil
}

// nested reports whether groups of groups count.
func (d *Directory) nested() bool { return d.Group == nil || d.Group.Nested == nil || *d.Group.Nested }

// groupNames is the attribute that groups are called by, RFC 4519 2.3 and
// [MS-ADTS] 3.1.1.1.
func (d *Directory) groupNames(hasSIDs bool) string {
	switch {
	case d.Group != nil && d.Group.Attribute != "":
		return d.Group.Attribute
	case hasSIDs:
		return "sAMAccountName"
	}
	return "cn"
}

// counted leaves out the groups that the configured filter does not fit. One
// that nobody could read, and so nobody can ask about, stays.
func (d *Directory) counted(ctx context.Context, s *groupSearch, groups []identity.Group) ([]identity.Group, error) {
	if d.Group == nil || d.Group.Filter == "" {
		return groups, nil
	}
	self := "entryDN" // RFC 5020
	if s.ad {
		self = "distinguishedName"
	}
	fits := make(map[string]bool, len(groups))
	for chunk := range slices.Chunk(groups, dnChunk) {
		var each strings.Builder
		for _, g := range chunk {
			if g.DN != "" {
				each.WriteString("(" + self + "=" + ldap.EscapeFilter(g.DN) + ")")
			}
		}
		if each.Len() == 0 {
			continue
		}
		for fit, filter := range map[bool]string{true: d.Group.Filter, false: "(!" + d.Group.Filter + ")"} {
			entries, err := s.all(ctx, "(&(|"+each.String()+")"+filter+")", "1.1")
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				fits[identity.Fold(e.DN)] = fit
			}
		}
	}
	return fitting(groups, fits), nil
}

// fitting leaves out the groups that do not fit. One that the server says nothing
// of, neither that it fits nor that it does not, loses its name: it counts for
// nobody, and is held against whom a none is to keep out.
func fitting(groups []identity.Group, fits map[string]bool) []identity.Group {
	var counted []identity.Group
	silent := false
	for _, g := range groups {
		fit, known := fits[identity.Fold(g.DN)]
		switch {
		case g.DN == "" || fit:
			counted = append(counted, g)
		case !known:
			silent = true
		}
	}
	if silent {
		counted = append(counted, identity.Group{})
	}
	return counted
}

// unseen is a group without a name for those that an account's own entry names
// and no search has shown: nobody may pass a none for want of their names. The
// DN of such a one says nothing: some servers let people write it themselves.
// What can be read there and is no group is none: some servers name more than
// groups in memberOf.
func unseen(ctx context.Context, c *conn, p person, found map[string]*ldap.Entry) ([]identity.Group, error) {
	for _, dn := range p.entry.GetEqualFoldAttributeValues("memberOf") {
		if found[identity.Fold(dn)] != nil {
			continue
		}
		e, err := c.entry(ctx, dn, unseenAttributes...)
		if err != nil && !isResult(err) {
			return nil, err
		}
		if err != nil || e == nil || mayCount(e, p.entry.DN) {
			return []identity.Group{{}}, nil
		}
	}
	return nil, nil
}

var unseenAttributes = append([]string{"objectClass"}, groupAttributes...)

// mayCount reports whether an entry is a group that hides its members: a search
// for those does not show it.
func mayCount(e *ldap.Entry, account string) bool {
	if holdsAny(account, []string{e.DN}) {
		return false // see groupSearch.groups
	}
	if value(e, "groupType") != "" {
		return isSecurityGroup(e)
	}
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues("objectClass"), func(class string) bool {
		return slices.ContainsFunc(groupClasses[:], func(known string) bool { return strings.EqualFold(class, known) })
	})
}

// groupClasses are the classes of groups whose members are searched for outside
// Active Directory, RFC 4519 3.5, 3.6 and RFC 2307 4, and anyGroup finds all of them.
var groupClasses = [...]string{"groupOfNames", "groupOfUniqueNames", "posixGroup"}

var anyGroup = "(|(objectClass=" + strings.Join(groupClasses[:], ")(objectClass=") + "))"
