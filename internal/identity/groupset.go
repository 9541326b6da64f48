package identity

import (
	"cmp"
	"slices"
	"strings"
	"unique"
)

// foldedGroup is a group with its names in the form in which they are compared.
type foldedGroup struct {
	Group
	name, dn string
}

// groupSet is what one account is a member of. Each group is one word here, and
// one record in the process. Questions are answered by binary search.
type groupSet struct {
	byName []unique.Handle[foldedGroup]
	// places in byName: first of the groups that have a SID, sorted by it, then
	// of those that have a DN.
	places []uint32
	sids   uint32
}

func newGroupSet(groups []Group, foldDN func(string) string) groupSet {
	if len(groups) == 0 {
		return groupSet{}
	}
	all := make([]foldedGroup, len(groups))
	for i, g := range groups {
		all[i] = foldedGroup{Group: g, name: Fold(g.Name)}
		if g.DN != "" {
			all[i].dn = foldDN(g.DN)
		}
	}
	slices.SortFunc(all, func(a, b foldedGroup) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.SID.raw, b.SID.raw), strings.Compare(a.dn, b.dn))
	})
	s := groupSet{byName: make([]unique.Handle[foldedGroup], len(all))}
	for i := range all {
		s.byName[i] = unique.Make(all[i])
	}
	bySID := order(all, func(g *foldedGroup) string { return g.SID.raw })
	byDN := order(all, func(g *foldedGroup) string { return g.dn })
	s.places, s.sids = slices.Clip(slices.Concat(bySID, byDN)), uint32(len(bySID))
	return s
}

// order lists the places of the groups that have a key, sorted by it.
func order(all []foldedGroup, key func(*foldedGroup) string) []uint32 {
	places := make([]uint32, 0, len(all))
	for i := range all {
		if key(&all[i]) != "" {
			places = append(places, uint32(i))
		}
	}
	slices.SortStableFunc(places, func(a, b uint32) int { return strings.Compare(key(&all[a]), key(&all[b])) })
	return places
}

func (s *groupSet) hasSID(sid SID) bool {
	_, found := slices.BinarySearchFunc(s.places[:s.sids], sid.raw, func(place uint32, raw string) int {
		return strings.Compare(s.byName[place].Value().SID.raw, raw)
	})
	return found
}

func (s *groupSet) hasDN(folded string) bool {
	_, found := slices.BinarySearchFunc(s.places[s.sids:], folded, func(place uint32, dn string) int {
		return strings.Compare(s.byName[place].Value().dn, dn)
	})
	return found
}

func (s *groupSet) hasName(folded string, domain func(string) bool) bool {
	if folded == "" {
		return false
	}
	first, _ := slices.BinarySearchFunc(s.byName, folded, func(g unique.Handle[foldedGroup], name string) int {
		return strings.Compare(g.Value().name, name)
	})
	for _, g := range s.byName[first:] {
		group := g.Value()
		if group.name != folded {
			return false
		}
		if domain(group.Domain) {
			return true
		}
	}
	return false
}

func (s *groupSet) any(fits func(Group) bool) bool {
	for _, g := range s.byName {
		if fits(g.Value().Group) {
			return true
		}
	}
	return false
}

func (s *groupSet) list() []Group {
	groups := make([]Group, len(s.byName))
	for i, g := range s.byName {
		groups[i] = g.Value().Group
	}
	return groups
}
