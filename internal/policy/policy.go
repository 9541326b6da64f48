package policy

import (
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Policy is a compiled rule.
type Policy struct {
	root  node
	needs needs
}

// Scope is where a rule stands: what its bare names mean.
type Scope struct {
	// First is the NAME of the site's first directory: a bare user is one of
	// its accounts.
	First string
}

// Decision is the answer and the rule that gave it.
type Decision struct {
	Allow bool
	// Rule is the line that let somebody in, or the whole rule that nobody of
	// that name fits, as the configuration writes it.
	Rule string
	// Unasked says, with a no, that the rule asks what nobody has asked the
	// directory about this identity: it is no answer before that is done.
	Unasked bool
}

// Decide says whether the identity may go on. A nil identity never may.
func (p *Policy) Decide(id *identity.Identity, scope Scope) Decision {
	if id == nil {
		return Decision{Rule: p.root.String()}
	}
	if rule, ok := p.root.match(id, scope); ok {
		return Decision{Allow: true, Rule: rule}
	}
	return Decision{Rule: p.root.String(), Unasked: p.needs.unasked(id)}
}

// String is the rule as the configuration writes it, on one line.
func (p *Policy) String() string { return p.root.String() }

// node is a compiled rule; match gives the text of the line that matched.
type node interface {
	match(id *identity.Identity, scope Scope) (string, bool)
	// unsure reports whether nobody can tell if the identity fits: a no is then
	// no ground to let somebody pass.
	unsure(id *identity.Identity) bool
	// explain says what match says, and why.
	explain(o *onlooker) Finding
	String() string
}

type validUser struct{}

func (validUser) match(*identity.Identity, Scope) (string, bool) { return "valid-user", true }
func (validUser) unsure(*identity.Identity) bool                 { return false }
func (validUser) String() string                                 { return "valid-user" }

// block is the part that all, any and none share.
type block struct {
	text     string
	children []node
}

func (b block) String() string { return b.text }

func (b block) unsure(id *identity.Identity) bool {
	for _, child := range b.children {
		if child.unsure(id) {
			return true
		}
	}
	return false
}

type (
	allOf struct{ block }
	anyOf struct{ block }
	none  struct{ block }
)

func (a allOf) match(id *identity.Identity, scope Scope) (string, bool) {
	for _, child := range a.children {
		if _, ok := child.match(id, scope); !ok {
			return "", false
		}
	}
	return a.text, true
}

func (a anyOf) match(id *identity.Identity, scope Scope) (string, bool) {
	for _, child := range a.children {
		if rule, ok := child.match(id, scope); ok {
			return rule, true
		}
	}
	return "", false
}

// match is no where a line fits, and also where nobody can tell: a line names a
// group and the account is in one whose name the directory would not show, or it
// asks what the directory cannot say.
func (n none) match(id *identity.Identity, scope Scope) (string, bool) {
	for _, child := range n.children {
		if _, ok := child.match(id, scope); ok || child.unsure(id) {
			return "", false
		}
	}
	return n.text, true
}
