package caddyldap

import (
	"context"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// carry keeps what only a log-in shows: well-known SIDs that belong to no
// domain, such as S-1-5-11 (Authenticated Users), and the groups that those are
// members of. An entry's tokenGroups has neither. SIDs of domains are not
// carried, and groups are looked up anew: memberships end.
func (d *Directory) carry(ctx context.Context, c *conn, root rootDSE, old, fresh *identity.Identity) (*identity.Identity, error) {
	var well []identity.SID
	for _, g := range old.Groups() {
		if g.Name == "" && g.SID.IsWellKnown() && !fresh.InSID(g.SID) {
			well = append(well, g.SID)
		}
	}
	if len(well) == 0 {
		return fresh, nil
	}
	above, err := d.groupsAbove(ctx, c, root, well, fresh.SID)
	if err == nil {
		above, err = d.counted(ctx, d.newGroupSearch(c, root, fresh.DN), above)
	}
	if err != nil {
		return nil, err
	}
	a := fresh.Account
	a.Groups = fresh.Groups()
	for _, g := range above {
		if !fresh.InSID(g.SID) {
			a.Groups = append(a.Groups, g)
		}
	}
	a.Groups = sorted(a.Groups)
	return identity.New(a, policy.FoldDN), nil
}

// groupsAbove gives the SIDs themselves and the groups that have them as
// members, by their foreign security principals, [MS-ADTS] 6.1.1.4.9. It climbs
// by memberOf, one read a group: there are few, and a search for members of
// such a principal takes a controller ten times as long.
func (d *Directory) groupsAbove(ctx context.Context, c *conn, root rootDSE, list []identity.SID, self identity.SID) ([]identity.Group, error) {
	attributes := append([]string{"memberOf"}, d.reading.groups...)
	principals, err := bySIDs(ctx, c, root.base, list, attributes)
	if err != nil {
		return nil, err
	}
	var queue []string
	for _, e := range principals {
		queue = append(queue, e.GetEqualFoldAttributeValues("memberOf")...)
	}
	found := make(map[string]*ldap.Entry)
	for ; len(queue) > 0 && len(found) < maxGroups; queue = queue[1:] {
		key := identity.Fold(queue[0])
		if _, met := found[key]; met {
			continue
		}
		e, err := c.entry(ctx, queue[0], attributes...)
		if err != nil {
			return nil, err
		}
		if e == nil || !isSecurityGroup(e) {
			continue
		}
		found[key] = e
		queue = append(queue, e.GetEqualFoldAttributeValues("memberOf")...)
	}
	groups, err := d.fromEntries(found, self)
	for _, sid := range list {
		groups = append(groups, identity.Group{SID: sid})
	}
	return groups, err
}
