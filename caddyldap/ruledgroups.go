package caddyldap

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// presence is what a directory knows of a group that a rule names.
type presence uint8

const (
	groupAbsent       presence = iota
	groupDistribution          // no token holds it
	groupPresent
)

// ruledGroups compares the groups that rules name with those of the directories.
// A name that no directory has is a mistake in most cases; but rules do not say
// whose names they mean, so it is told only after all have been asked.
type ruledGroups struct {
	names  []policy.NamedGroup
	logger *zap.Logger

	mu      sync.Mutex
	found   []presence
	waiting int
	unsure  bool // a directory could not be asked
}

func newRuledGroups(names []policy.NamedGroup, directories int, logger *zap.Logger) *ruledGroups {
	return &ruledGroups{names: names, logger: logger, found: make([]presence, len(names)), waiting: directories}
}

// answer takes what one directory knows; nil where it could not be asked.
func (g *ruledGroups) answer(found []presence) {
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
		if told[name] || g.found[i] == groupPresent {
			continue
		}
		told[name] = true
		message, hint := "self-test: a rule names a group that no directory has", "nobody is in it: mend the name, or let the service account read the group"
		if g.found[i] == groupDistribution {
			message, hint = "self-test: a rule names a distribution group", "it is in no access token, so nobody counts as its member: make it a security group"
		}
		g.logger.Warn(message, zap.String("rule", name.Rule), zap.String("group", name.Text), zap.String("hint", hint))
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
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	found := make([]presence, len(d.ruled.names))
	err := d.service.do(ctx, func(c *conn, root rootDSE) error {
		for i, name := range d.ruled.names {
			p, err := d.presence(ctx, c, root, name)
			if err != nil {
				return err
			}
			found[i] = p
		}
		return nil
	})
	if err != nil {
		found = nil
	}
	d.ruled.answer(found)
}

// presence looks for one group.
func (d *Directory) presence(ctx context.Context, c *conn, root rootDSE, g policy.NamedGroup) (presence, error) {
	entries, err := d.ruledEntries(ctx, c, root, g)
	if errors.Is(err, errLimit) {
		return groupPresent, nil
	}
	if err != nil {
		return groupAbsent, err
	}
	found := groupAbsent
	for _, e := range entries {
		if !d.means(g, e) {
			continue
		}
		if isSecurityGroup(e) {
			return groupPresent, nil
		}
		found = groupDistribution
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
	filter := "(&(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))("
	if root.ad {
		filter = "(&(objectClass=group)("
	}
	filter += d.groupNames(root.ad) + "=" + ldap.EscapeFilter(g.Name) + ")"
	if d.Group != nil {
		filter += d.Group.Filter
	}
	filter += ")"
	return c.search(ctx, root.base, ldap.ScopeWholeSubtree, filter, 10, d.reading.groups...)
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
