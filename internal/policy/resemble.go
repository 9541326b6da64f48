package policy

import (
	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// A name that only resembles another, see identity.Resembles, lets nobody in, and
// gives no none rule reason to believe that somebody else is meant.

// resemblesUser reports whether the account's name is another one than the rule's,
// and resembles it.
func (n *name) resemblesUser(id *identity.Identity) bool {
	names := id.Folded()
	switch n.form {
	case bySID:
		return false
	case dn:
		return n.text != names.DN && resembleDN(n.raw, id.DN)
	case upn:
		return n.text != names.UPN && identity.Resembles(n.raw, id.UPN)
	}
	return n.text != names.SAM && identity.Resembles(n.raw, id.SAM)
}

// resemblesGroup reports the same of one of the account's groups, of whichever
// domain.
func (n *name) resemblesGroup(id *identity.Identity) bool {
	if n.form == bySID || !id.HasLetteredGroups() && identity.IsPlain(n.raw) {
		return false
	}
	return id.AnyGroup(func(g identity.Group) bool {
		if n.form == dn {
			return g.DN != "" && resembleDN(n.raw, g.DN) && FoldDN(g.DN) != n.text
		}
		return identity.Resembles(n.raw, g.Name) && !identity.FoldsTo(g.Name, n.text)
	})
}

// resembleDN reports whether two DNs resemble each other in all their values. Those
// that are written in ASCII, without escapes, are told apart by FoldDN alone.
func resembleDN(a, b string) bool {
	if identity.IsPlain(a) && identity.IsPlain(b) {
		return false
	}
	first, err := ldap.ParseDN(a)
	if err != nil {
		return identity.Resembles(a, b)
	}
	second, err := ldap.ParseDN(b)
	return err == nil && first.EqualFold(second)
}
