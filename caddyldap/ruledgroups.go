package caddyldap

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// Presence is what a directory knows of a group that a rule names.
type Presence uint8

// A group is there, or is one that counts for nothing, or is not there as far as
// whoever searches may see.
const (
	GroupAbsent       Presence = iota
	GroupDistribution          // no token holds it
	GroupPresent
)

// Cure is what to do about a group that a rule names; nothing where it counts.
func (p Presence) Cure() string {
	switch p {
	case GroupAbsent:
		return "nobody is in it: mend the name, or let the service account read the group"
	case GroupDistribution:
		return "it is in no access token, so nobody counts as its member: make it a security group"
	case GroupPresent:
	}
	return ""
}

// ruledGroups compares the groups that rules name with those of the directories.
// A name that no directory has is a mistake in most cases; but rules do not say
// whose names they mean, so it is told only after all have been asked.
type ruledGroups struct {
	names  []policy.NamedGroup
	logger *zap.Logger

	mu      sync.Mutex
	found   []Presence
	waiting int
	unsure  bool // a directory could not be asked
}

func newRuledGroups(names []policy.NamedGroup, directories int, logger *zap.Logger) *ruledGroups {
	return &ruledGroups{names: names, logger: logger, found: make([]Presence, len(names)), waiting: directories}
}

// answer takes what one directory knows; nil where it could not be asked.
func (g *ruledGroups) answer(found []Presence) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting--
	g.unsure = g.unsure || found == nil
	for i, p := range found {
		g.found[i] = max(g.found[i], p)
	}
	if g.waiting > 0 || g.unsure {
		return
	}
	told := make(map[policy.NamedGroup]bool)
	for i, name := range g.names {
		if told[name] || g.found[i] == GroupPresent {
			continue
		}
		told[name] = true
		message := "self-test: a rule names a group that no directory has"
		if g.found[i] == GroupDistribution {
			message = "self-test: a rule names a distribution group"
		}
		g.logger.Warn(message, zap.String("rule", name.Rule), zap.String("group", name.Text), zap.String("hint", g.found[i].Cure()))
	}
}

// testGroups looks for the groups that rules name, with the service account.
func (d *Directory) testGroups(ctx context.Context) {
	if d.ruled == nil || len(d.ruled.names) == 0 {
		return
	}
	if d.service == nil {
		d.ruled.answer(nil)
		return
	}
	found, err := d.Presence(ctx, nil, d.ruled.names)
	if err != nil {
		found = nil
	}
	d.ruled.answer(found)
}

// Presence looks for groups by the names that rules have for them: on the
// connection of whoever has just logged in, or with the service account where
// nobody has.
func (d *Directory) Presence(ctx context.Context, p *identity.Principal, names []policy.NamedGroup) ([]Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	found := make([]Presence, len(names))
	err := d.lookFor(ctx, p, func(c *conn, root rootDSE) error {
		for i, name := range names {
			p, err := d.presence(ctx, c, root, name)
			if err != nil {
				return err
			}
			found[i] = p
		}
		return nil
	})
	return found, err
}

// presence looks for one group.
func (d *Directory) presence(ctx context.Context, c *conn, root rootDSE, g policy.NamedGroup) (Presence, error) {
	entries, err := d.ruledEntries(ctx, c, root, g)
	if errors.Is(err, errLimit) {
		return GroupPresent, nil
	}
	if err != nil {
		return GroupAbsent, err
	}
	found := GroupAbsent
	for _, e := range entries {
		if !d.means(g, e) {
			continue
		}
		if isSecurityGroup(e) {
			return GroupPresent, nil
		}
		found = GroupDistribution
	}
	return found, nil
}

// ruledEntries are the groups that a name in a rule may mean.
func (d *Directory) ruledEntries(ctx context.Context, c *conn, root rootDSE, g policy.NamedGroup) ([]*ldap.Entry, error) {
	if g.DN != "" {
		e, err := c.entry(ctx, g.DN, d.reading.groups...)
		if err != nil && isResult(err) && !overloaded(err) || e == nil {
			return nil, nil // no such place in this directory
		}
		return []*ldap.Entry{e}, err
	}
	filter := "(&" + anyGroup + "("
	if root.ad {
		filter = "(&(objectClass=group)("
	}
	filter += d.groupNames(root.ad) + "=" + ldap.EscapeFilter(g.Name) + ")"
	if d.Group != nil {
		filter += d.Group.Filter
	}
	filter += ")"
	return d.newGroupSearch(c, root, "").all(ctx, filter, d.reading.groups...)
}

// means reports whether the domain before a name, where there is one, is that of
// the group found.
func (d *Directory) means(g policy.NamedGroup, e *ldap.Entry) bool {
	if g.Domain == "" {
		return true
	}
	sid, err := sidOf(e)
	if err != nil {
		return false
	}
	if d.around(sid).domainOf(sid) == policy.Builtin {
		return strings.EqualFold(g.Domain, policy.Builtin)
	}
	return d.isOwn(g.Domain)
}
