package policy

import "github.com/caddy-ntlm/caddy-ntlm/internal/identity"

// needs are what a rule asks of an identity beyond the names and groups that every
// one has. Roles are not among them: a directory with a map gives them to every
// identity, and one without has none to give.
type needs struct{ attributes, filters []string }

// unasked reports whether an identity holds no answer to some of it because the
// directory was not asked: it is of a time before a rule wanted that. An unknown
// answer lets nobody in, however the rule is made, so a yes needs no second look.
func (n needs) unasked(id *identity.Identity) bool {
	for _, name := range n.attributes {
		if !id.AskedAttribute(name) {
			return true
		}
	}
	for _, filter := range n.filters {
		if !id.AskedFilter(filter) {
			return true
		}
	}
	return false
}
