package policy

import (
	"fmt"
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// leaf is a rule with names in it.
type leaf struct {
	text  string
	texts []string // of the names, as they are written
	names []name
}

func (l leaf) String() string { return l.text }

type (
	users  struct{ leaf }
	groups struct{ leaf }
	sids   struct{ leaf }
)

func compileUsers(texts []string) (node, error) {
	names, err := parseNames("user", texts)
	return users{leaf{quoted("user", texts), texts, names}}, err
}

func compileGroups(texts []string) (node, error) {
	names, err := parseNames("group", texts)
	return groups{leaf{quoted("group", texts), texts, names}}, err
}

func compileSIDs(texts []string) (node, error) {
	names, err := parseNames("sid", texts)
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		if n.form != bySID {
			return nil, fmt.Errorf("sid %s: not a security identifier (S-1-…)", texts[i])
		}
	}
	return sids{leaf{quoted("sid", texts), texts, names}}, nil
}

func (u users) match(id *identity.Identity, scope Scope) (string, bool) {
	for i := range u.names {
		if u.names[i].isUser(id, scope) {
			return u.text, true
		}
	}
	return "", false
}

func (n *name) isUser(id *identity.Identity, scope Scope) bool {
	names := id.Folded()
	switch n.form {
	case bySID:
		return id.SID == n.sid
	case dn:
		return id.DN != "" && names.DN == n.text
	case upn:
		return names.UPN == n.text
	case inDomain:
		return names.SAM == n.text && (n.domain == names.Domain || n.domain == names.DNSDomain)
	default:
		return id.Directory == scope.First && names.SAM == n.text && names.Domain == names.Home
	}
}

// unsure is so of an account whose name only resembles one of the rule's, or whose
// DN is not known.
func (u users) unsure(id *identity.Identity) bool {
	for i := range u.names {
		if u.names[i].form == dn && id.DN == "" || u.names[i].resemblesUser(id) {
			return true
		}
	}
	return false
}

func (g groups) match(id *identity.Identity, _ Scope) (string, bool) {
	for i := range g.names {
		if g.names[i].isGroup(id) {
			return g.text, true
		}
	}
	return "", false
}

func (n *name) isGroup(id *identity.Identity) bool {
	switch n.form {
	case bySID:
		return n.sid != id.SID && id.InSID(n.sid)
	case dn:
		return id.InDN(n.text)
	case inDomain:
		return id.InName(n.text, func(domain string) bool {
			domain = identity.Fold(domain)
			return domain == n.domain || domain == id.Folded().Domain && n.domain == id.Folded().DNSDomain
		})
	default:
		return id.InName(n.text, func(domain string) bool {
			return domain == Builtin || identity.Fold(domain) == id.Folded().Home
		})
	}
}

func (g groups) unsure(id *identity.Identity) bool {
	for i := range g.names {
		if g.names[i].isHidden(id) || g.names[i].resemblesGroup(id) {
			return true
		}
	}
	return false
}

// isHidden reports whether the group may be one of those that the account is in
// and whose names nobody could read.
func (n *name) isHidden(id *identity.Identity) bool {
	switch {
	case n.form == bySID:
		return id.HidesAnyGroup() && n.sid != id.SID || n.isUntold(id)
	case id.HidesGroups():
		return true
	case !id.HidesForeignGroups():
		return false
	case n.form == dn:
		return !n.isOwnDN(id)
	}
	return n.form == inDomain && n.isForeign(id)
}

// isForeign reports whether the domain before a name is not the account's.
func (n *name) isForeign(id *identity.Identity) bool {
	own := id.Folded()
	return n.domain != Builtin && n.domain != own.Domain && n.domain != own.DNSDomain
}

// isUntold reports whether the SID is of a group of BUILTIN and the account is one
// that no directory has shown: a ticket does not tell of those groups, which each
// server has of its own.
func (n *name) isUntold(id *identity.Identity) bool {
	return id.DN == "" && n.sid.Domain() == identity.SIDBuiltin
}

// unsure is so of a SID that is not the account's own: a group of which nothing
// is known may have it.
func (s sids) unsure(id *identity.Identity) bool {
	return id.HidesAnyGroup() || slices.ContainsFunc(s.names, func(n name) bool { return n.isUntold(id) })
}

func (s sids) match(id *identity.Identity, _ Scope) (string, bool) {
	for i := range s.names {
		if id.InSID(s.names[i].sid) {
			return s.text, true
		}
	}
	return "", false
}
