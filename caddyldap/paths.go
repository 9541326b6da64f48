package caddyldap

import (
	"context"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Bounds of what is followed to explain memberships.
const (
	maxPathGroups = 2000
	maxPathDepth  = 50
	maxPathTime   = 30 * time.Second
)

// PathStart is how a way from an account to its groups begins.
type PathStart uint8

// The beginnings.
const (
	StartUnseen  PathStart = iota // the group is in the security token, and no entry shows why
	StartMember                   // the group names the account as a member
	StartPrimary                  // primaryGroupID
	StartUID                      // memberUid, RFC 2307
	StartGID                      // gidNumber, RFC 2307
	StartSID                      // a well-known SID that every token has
)

// Path is the shortest way by which an account is in a group.
type Path struct {
	Start PathStart
	// Through are the groups between, the account's own first; with StartSID
	// the SID comes before them.
	Through []string
}

// Paths are the ways to all groups of an account.
type Paths struct {
	steps map[string]step // by the folded DN of the group above
	// Cut says that the bounds ended the search before every way was seen.
	Cut bool
}

type step struct {
	name  string
	start PathStart // StartUnseen where the way goes on below
	below string    // key of the group below, or a SID
}

// Of is the way to one group.
func (p *Paths) Of(g identity.Group) Path {
	s, found := p.steps[identity.Fold(g.DN)]
	if !found || g.DN == "" {
		return Path{}
	}
	var through []string
	for s.start == StartUnseen {
		s = p.steps[s.below]
		through = append(through, s.name)
	}
	if s.start == StartSID {
		through = append(through, s.below)
	}
	slices.Reverse(through)
	return Path{Start: s.start, Through: through}
}

// Paths finds out by which ways an account is in its groups, for the doctor: that
// of whoever has just logged in, or of somebody else whom Lookup has found. It
// asks on the same connection and with the same rights, within bounds.
func (d *Directory) Paths(ctx context.Context, p *identity.Principal, other *identity.Identity) (*Paths, error) {
	w, other, err := d.followed(ctx, p, other)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxPathTime)
	defer cancel()
	paths := &Paths{steps: make(map[string]step)}
	err = d.lookFor(ctx, p, func(c *conn, root rootDSE) error {
		var account person
		var token []identity.SID
		if other == nil {
			account, token = w.person, w.root.token
		} else {
			e, err := c.entry(ctx, other.DN, d.reading.account...)
			if err != nil || e == nil {
				return err
			}
			account, token = person{entry: e, sid: other.SID}, sidsOf(other)
		}
		f := &follower{
			Paths: paths, directory: d,
			search: d.newGroupSearch(c, root, account.entry.DN),
		}
		return f.all(ctx, c, root, account, token)
	})
	if err != nil && ctx.Err() != nil {
		paths.Cut, err = true, nil // what was seen in time is true
	}
	return paths, err
}

// follower climbs from an account, a level at a time, and notes from where it came
// to each group first.
type follower struct {
	*Paths
	directory *Directory
	search    *groupSearch
}

func (f *follower) all(ctx context.Context, c *conn, root rootDSE, account person, token []identity.SID) error {
	level, err := f.first(ctx, c, root, account)
	if err != nil || !f.directory.nested() {
		return err
	}
	if err := f.climb(ctx, level); err != nil || !root.ad {
		return err
	}
	level, err = f.byToken(ctx, c, root, token)
	if err != nil {
		return err
	}
	return f.climb(ctx, level)
}

// first are the groups that the account is in by itself.
func (f *follower) first(ctx context.Context, c *conn, root rootDSE, account person) ([]string, error) {
	var level []string
	primary, err := f.directory.primaryGroup(ctx, c, root, account)
	if err != nil {
		return nil, err
	}
	if primary.entry != nil {
		level = f.note([]*ldap.Entry{primary.entry}, StartPrimary, "")
	}
	direct, err := f.search.groups(ctx, membersFilter(root.ad, []string{account.entry.DN}))
	if err != nil {
		return nil, err
	}
	level = append(level, f.note(direct, StartMember, "")...)
	if root.ad {
		return level, nil
	}
	for _, by := range [...]struct {
		start PathStart
		term  string
	}{{StartUID, posixTerm("memberUid", oneValue(account.entry, "uid"))}, {StartGID, posixTerm("gidNumber", value(account.entry, "gidNumber"))}} {
		entries, err := f.search.posixGroupsBy(ctx, by.term)
		if err != nil {
			return nil, err
		}
		level = append(level, f.note(entries, by.start, "")...)
	}
	return level, nil
}

// byToken are the groups that a well-known SID of the token is in, such as
// Authenticated Users. A principal's memberOf says so; see groupsAbove.
func (f *follower) byToken(ctx context.Context, c *conn, root rootDSE, token []identity.SID) ([]string, error) {
	well := slices.DeleteFunc(slices.Clone(token), func(sid identity.SID) bool { return !sid.IsWellKnown() })
	principals, err := bySIDs(ctx, c, root.base, well, append([]string{"memberOf"}, f.directory.reading.groups...))
	if err != nil {
		return nil, err
	}
	var level []string
	for _, sid := range well {
		if principals[sid] == nil {
			continue
		}
		for _, dn := range principals[sid].GetEqualFoldAttributeValues("memberOf") {
			e, err := c.entry(ctx, dn, f.directory.reading.groups...)
			if err != nil {
				return nil, err
			}
			if e != nil {
				level = append(level, f.note([]*ldap.Entry{e}, StartSID, sid.String())...)
			}
		}
	}
	return level, nil
}

// note keeps the groups that were not met before, and returns their DNs.
func (f *follower) note(entries []*ldap.Entry, start PathStart, below string) []string {
	var fresh []string
	for _, e := range f.unmet(entries) {
		if len(f.steps) == maxPathGroups {
			f.Cut = true
			return fresh
		}
		sid, _ := sidOf(e)
		f.steps[identity.Fold(e.DN)] = step{name: knownDomain{}.group(sid, e, f.directory.groupNames(!sid.IsZero())).Name, start: start, below: below}
		fresh = append(fresh, e.DN)
	}
	return fresh
}

func (f *follower) unmet(entries []*ldap.Entry) []*ldap.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e *ldap.Entry) bool {
		_, met := f.steps[identity.Fold(e.DN)]
		return met || !isSecurityGroup(e)
	})
}

// climb goes up from a level until nothing new is there.
func (f *follower) climb(ctx context.Context, level []string) error {
	for range maxPathDepth - 1 {
		var next []string
		for chunk := range slices.Chunk(level, dnChunk) {
			if f.Cut {
				return nil
			}
			fresh, err := f.above(ctx, chunk)
			if err != nil {
				return err
			}
			next = append(next, fresh...)
		}
		if level = next; len(level) == 0 {
			return nil
		}
	}
	f.Cut = true
	return nil
}

// above finds the groups of several groups with one question. Where there are new
// ones it asks about half of the groups and so on: the answer does not say whose
// they are, and there are new ones seldom.
func (f *follower) above(ctx context.Context, members []string) ([]string, error) {
	entries, err := f.search.groups(ctx, membersFilter(f.search.ad, members))
	if err != nil {
		return nil, err
	}
	if len(f.unmet(entries)) == 0 {
		return nil, nil
	}
	if len(members) == 1 {
		return f.note(entries, StartUnseen, identity.Fold(members[0])), nil
	}
	half := len(members) / 2
	fresh, err := f.above(ctx, members[:half])
	if err != nil || len(f.unmet(entries)) == 0 {
		return fresh, err
	}
	more, err := f.above(ctx, members[half:])
	return append(fresh, more...), err
}
