package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Bounds of the walk: far above any real directory, and low enough that one
// made to wear us out does not.
const (
	maxGroups = 5000
	maxLevels = 100
	dnChunk   = 32
)

var errTooManyGroups = errors.New("more groups than the walk takes")

// groupsByWalk climbs from the account to the groups it is a member of, from
// those to the groups they are members of, and so on, a level at a time. It
// asks the groups who their members are: the answer has no ranges, and needs no
// memberOf, which not every server keeps. A group met again is not climbed
// again, so a cycle ends.
func (d *Directory) groupsByWalk(ctx context.Context, c *conn, root rootDSE, p person) ([]identity.Group, error) {
	found := make(map[string]*ldap.Entry)
	search := d.newGroupSearch(c, root, p.entry.DN)
	level := []string{p.entry.DN}
	primary, err := d.primaryGroup(ctx, c, root, p)
	if err != nil {
		return nil, err
	}
	if primary.entry != nil {
		found[identity.Fold(primary.entry.DN)] = primary.entry
		level = append(level, primary.entry.DN)
	}
	posix, err := search.posixGroups(ctx, p, found)
	if err != nil {
		return nil, err
	}
	if level = append(level, posix...); !d.nested() {
		level = level[:1] // the account alone
	}
	for range maxLevels {
		if level, err = search.parents(ctx, level, found); err != nil {
			return nil, err
		}
		if len(level) == 0 || !d.nested() {
			groups, err := d.walked(ctx, c, p, found)
			return append(primary.unread(), groups...), err
		}
	}
	return nil, &identity.Error{
		Kind: identity.KindInternal, Err: fmt.Errorf("groups nested deeper than %d", maxLevels),
		Hint: "nest groups less deeply",
	}
}

// walked makes groups of what a walk has found.
func (d *Directory) walked(ctx context.Context, c *conn, p person, found map[string]*ldap.Entry) ([]identity.Group, error) {
	groups, err := d.fromEntries(found, p.sid)
	if err != nil {
		return nil, err
	}
	hidden, err := unseen(ctx, c, p, found)
	return append(hidden, groups...), err
}

// parents finds the groups of which one of the members is a member, adds them
// to found and returns those that were not there.
func (s *groupSearch) parents(ctx context.Context, members []string, found map[string]*ldap.Entry) (fresh []string, err error) {
	for chunk := range slices.Chunk(members, dnChunk) {
		entries, err := s.groups(ctx, membersFilter(s.ad, chunk))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			key := identity.Fold(e.DN)
			if found[key] != nil || !isSecurityGroup(e) {
				continue
			}
			found[key] = e
			fresh = append(fresh, e.DN)
		}
		if len(found) > maxGroups {
			return nil, tooManyGroups()
		}
	}
	return fresh, nil
}

func tooManyGroups() error {
	return &identity.Error{Kind: identity.KindInternal, Err: errTooManyGroups, Hint: fmt.Sprintf("the account is in more than %d groups", maxGroups)}
}

// membersFilter asks for the groups of members. Active Directory names them in
// member; others use uniqueMember too, RFC 4519 2.40.
func membersFilter(ad bool, dns []string) string {
	var filter strings.Builder
	filter.WriteString("(|")
	for _, dn := range dns {
		escaped := ldap.EscapeFilter(dn)
		filter.WriteString("(member=" + escaped + ")")
		if !ad {
			filter.WriteString("(uniqueMember=" + escaped + ")")
		}
	}
	filter.WriteString(")")
	return filter.String()
}
