package caddyldap

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// inChain is LDAP_MATCHING_RULE_IN_CHAIN, [MS-ADTS] 3.1.1.3.4.4.3.
const inChain = "1.2.840.113556.1.4.1941"

// groups finds every group of a person, by the best way that the server knows.
// byToken says that it was by a security token, which alone shows groups that
// the one who asks may not see otherwise: those without a name, and those of
// other domains.
func (d *Directory) groups(ctx context.Context, c *conn, root rootDSE, p person) (groups []identity.Group, byToken bool, err error) {
	if groups, byToken, err = d.memberships(ctx, c, root, p); err != nil {
		return nil, false, err
	}
	groups, err = d.counted(ctx, d.newGroupSearch(c, root, p.entry.DN), groups)
	return groups, byToken, err
}

func (d *Directory) memberships(ctx context.Context, c *conn, root rootDSE, p person) (groups []identity.Group, byToken bool, err error) {
	if !d.nested() {
		groups, err = d.groupsByWalk(ctx, c, root, p)
		return groups, false, err
	}
	if p.whole {
		return p.groups, true, nil
	}
	groups, err = d.groupsByToken(ctx, c, root, p)
	if err != nil || len(groups) > 0 {
		return groups, true, err
	}
	if root.ad {
		groups, whole, err := d.groupsByChain(ctx, c, root, p)
		if err != nil || whole {
			return groups, false, err
		}
	}
	groups, err = d.groupsByWalk(ctx, c, root, p)
	return groups, false, err
}

// chainHolds reports whether the matching rule's answer can be believed. It
// cannot where it shows less than the entry itself: the server has the rule's
// name and nothing behind it. Nor where a distribution group is among the
// found: the rule climbs through it to security groups that no token has.
func chainHolds(p person, found map[string]*ldap.Entry) bool {
	for _, e := range found {
		if !isSecurityGroup(e) {
			return false
		}
	}
	for _, dn := range p.entry.GetEqualFoldAttributeValues("memberOf") {
		if found[identity.Fold(dn)] == nil {
			return false
		}
	}
	return len(found) > 0
}

// groupsByToken reads tokenGroups of the account's entry, [MS-ADTS] 3.1.1.4.5.19:
// nested security groups and the primary group, in one read.
func (d *Directory) groupsByToken(ctx context.Context, c *conn, root rootDSE, p person) ([]identity.Group, error) {
	e, err := c.entry(ctx, p.entry.DN, "tokenGroups")
	if err != nil && !isResult(err) {
		return nil, err
	}
	if e == nil {
		return nil, nil
	}
	token, err := sids(e, "tokenGroups")
	if err != nil || len(token) == 0 {
		return nil, err
	}
	entries, err := bySIDs(ctx, c, root.base, token, d.reading.groups)
	if err != nil {
		return nil, err
	}
	return d.groupsOf(token, p.sid, entries), nil
}

// groupsByChain asks for the groups that have the account, or its primary
// group, as a member at any depth. whole is false where that does not answer
// who is in which group.
func (d *Directory) groupsByChain(ctx context.Context, c *conn, root rootDSE, p person) (groups []identity.Group, whole bool, err error) {
	members := []string{p.entry.DN}
	found := make(map[string]*ldap.Entry)
	primary, err := d.primaryGroup(ctx, c, root, p)
	if err != nil {
		return nil, false, err
	}
	if primary.entry != nil {
		members = append(members, primary.entry.DN)
		found[identity.Fold(primary.entry.DN)] = primary.entry
	}
	for _, dn := range members {
		entries, err := c.search(ctx, root.base, ldap.ScopeWholeSubtree,
			"(member:"+inChain+":="+ldap.EscapeFilter(dn)+")", maxGroups, d.reading.groups...)
		if err != nil {
			return nil, false, err
		}
		for _, e := range entries {
			found[identity.Fold(e.DN)] = e
		}
	}
	if !chainHolds(p, found) {
		return nil, false, nil
	}
	groups, err = d.fromEntries(found, p.sid)
	return append(primary.unread(), groups...), err == nil, err
}

// primary is an account's primary group: its SID, and its entry where that can be
// read.
type primary struct {
	sid   identity.SID
	entry *ldap.Entry
}

// unread is the group of which the SID alone is known.
func (p primary) unread() []identity.Group {
	if p.sid.IsZero() || p.entry != nil {
		return nil
	}
	return []identity.Group{{SID: p.sid}}
}

// primaryGroup is the one group that no member attribute shows, [MS-ADTS]
// 3.1.1.4.5.19: the account's domain and its primaryGroupID.
func (d *Directory) primaryGroup(ctx context.Context, c *conn, root rootDSE, p person) (primary, error) {
	rid, err := strconv.ParseUint(value(p.entry, "primaryGroupID"), 10, 32)
	domain := p.sid.Domain()
	if err != nil || domain.IsZero() {
		return primary{}, nil
	}
	raw := domain.Bytes()
	raw[1]++
	sid, err := identity.SIDFromBytes(binary.LittleEndian.AppendUint32(raw, uint32(rid)))
	if err != nil {
		return primary{}, nil
	}
	entries, err := bySIDs(ctx, c, root.base, []identity.SID{sid}, d.reading.groups)
	return primary{sid, entries[sid]}, err
}

// groupsOf makes groups of SIDs, with names where an entry has them. Accounts
// among them are left out; well-known SIDs stay, nameless.
func (d *Directory) groupsOf(list []identity.SID, self identity.SID, entries map[identity.SID]*ldap.Entry) []identity.Group {
	k := d.around(self)
	groups := make([]identity.Group, 0, len(list))
	for _, sid := range list {
		e := entries[sid]
		if sid == self || e != nil && isAccount(e) {
			continue
		}
		groups = append(groups, k.group(sid, e, d.groupNames(!sid.IsZero())))
	}
	return sorted(groups)
}

func (d *Directory) fromEntries(found map[string]*ldap.Entry, self identity.SID) ([]identity.Group, error) {
	k := d.around(self)
	groups := make([]identity.Group, 0, len(found))
	for _, e := range found {
		if !isSecurityGroup(e) {
			continue
		}
		sid, err := sidOf(e)
		if err != nil {
			return nil, err
		}
		groups = append(groups, k.group(sid, e, d.groupNames(!sid.IsZero())))
	}
	return sorted(groups), nil
}

// isSecurityGroup leaves out distribution groups, which tokenGroups ignores
// too. A directory without group types has no such thing.
func isSecurityGroup(e *ldap.Entry) bool {
	text := value(e, "groupType")
	if text == "" {
		return true
	}
	bits, err := strconv.ParseInt(text, 10, 64)
	return err == nil && uint32(bits)&0x80000000 != 0 // GROUP_TYPE_SECURITY_ENABLED, [MS-ADTS] 2.2.12
}

// group names a group by one of its attributes. A foreign security principal is
// an entry without a name: its SID says all.
func (k knownDomain) group(sid identity.SID, e *ldap.Entry, attribute string) identity.Group {
	g := identity.Group{SID: sid, Domain: k.domainOf(sid)}
	if e == nil {
		return g
	}
	// The value that its DN vouches for, whatever was added.
	if g.Name = oneValue(e, attribute); g.Name != "" {
		g.DN = e.DN
	}
	return g
}

func sorted(groups []identity.Group) []identity.Group {
	slices.SortFunc(groups, func(a, b identity.Group) int {
		if c := cmp.Compare(identity.Fold(a.Name), identity.Fold(b.Name)); c != 0 {
			return c // mostly, and a SID as text takes its time
		}
		return cmp.Or(cmp.Compare(a.SID.String(), b.SID.String()), cmp.Compare(a.DN, b.DN))
	})
	return groups
}
