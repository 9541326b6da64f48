// Package policy decides whether an identity may go on. It is pure: a rule is
// compiled once, when the configuration loads, and deciding allocates nothing.
package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Rule is a requirement as the configuration writes it. Exactly one of its
// fields is set: a rule that says nothing must not let everybody in.
type Rule struct {
	// Everybody whom the directory knows.
	ValidUser bool `json:"valid_user,omitempty"`
	// These accounts, any of them: a bare name (sAMAccountName in the first
	// directory's own domain), DOMAIN\name, user@suffix, a DN or a SID.
	User []string `json:"user,omitempty"`
	// Members of these groups, any of them, directly or by nesting: a bare
	// sAMAccountName (of the directory's own domain or BUILTIN), DOMAIN\name, a
	// DN or a SID.
	Group []string `json:"group,omitempty"`
	// Accounts with one of these SIDs, or members of a group that has one.
	SID []string `json:"sid,omitempty"`
	// Accounts with one of these roles, which the directory's map gives.
	Role []string `json:"role,omitempty"`
	// Accounts whose entry has the value.
	Attribute *Attribute `json:"attribute,omitempty"`
	// Accounts whose entry fits this LDAP filter, as the directory says.
	Filter string `json:"filter,omitempty"`
	// Every one of these rules.
	All []Rule `json:"all,omitempty"`
	// At least one of these rules.
	Any []Rule `json:"any,omitempty"`
	// No one of these rules; stands only inside all.
	None []Rule `json:"none,omitempty"`
}

// maxDepth bounds how deep blocks nest: a person writes three.
const maxDepth = 16

var (
	errNothing  = errors.New("a rule says nothing; for everybody with an account write valid_user")
	errSeveral  = errors.New("a rule holds one of valid_user, user, group, sid, role, attribute, filter, all, any, none, and this one holds several")
	errNone     = errors.New("none stands only inside all: alone it would let everybody else in")
	errNoneOnly = errors.New("all holds nothing but none: say who may come in, for example with valid-user")
	errDepth    = errors.New("rules nest too deep")
)

// Compile checks a rule and makes it ready. The error names the rule to mend.
func Compile(r Rule) (*Policy, error) {
	root, err := compile(r, 0)
	if err != nil {
		return nil, err
	}
	if _, isNone := root.(none); isNone {
		return nil, errNone
	}
	return &Policy{root: root, needs: needs{attributes: r.Attributes(), filters: r.Filters()}}, nil
}

func compile(r Rule, depth int) (node, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch r.fields() {
	case 0:
		return nil, errNothing
	case 1:
	default:
		return nil, errSeveral
	}
	switch {
	case r.User != nil:
		return compileUsers(r.User)
	case r.Group != nil:
		return compileGroups(r.Group)
	case r.SID != nil:
		return compileSIDs(r.SID)
	case r.Role != nil:
		return compileRoles(r.Role)
	case r.Attribute != nil:
		return compileAttribute(*r.Attribute)
	case r.Filter != "":
		return compileFilter(r.Filter)
	case r.All != nil:
		return compileAll(r.All, depth)
	case r.Any != nil:
		children, err := compileBlock("any", r.Any, depth)
		return anyOf{block{text("any", children), children}}, err
	case r.None != nil:
		children, err := compileBlock("none", r.None, depth)
		return none{block{text("none", children), children}}, err
	default:
		return validUser{}, nil
	}
}

func (r Rule) fields() int {
	n := 0
	for _, set := range [...]bool{
		r.ValidUser, r.User != nil, r.Group != nil, r.SID != nil, r.Role != nil, r.Attribute != nil, r.Filter != "", r.All != nil, r.Any != nil, r.None != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

// compileBlock compiles the lines of a block; none is refused in any but all.
func compileBlock(word string, rules []Rule, depth int) ([]node, error) {
	if len(rules) == 0 {
		return nil, fmt.Errorf("%s holds no rule", word)
	}
	children := make([]node, 0, len(rules))
	for _, r := range rules {
		child, err := compile(r, depth+1)
		if err != nil {
			return nil, err
		}
		if _, isNone := child.(none); isNone && word != "all" {
			return nil, errNone
		}
		children = append(children, child)
	}
	return children, nil
}

func compileAll(rules []Rule, depth int) (node, error) {
	children, err := compileBlock("all", rules, depth)
	if err != nil {
		return nil, err
	}
	for _, child := range children {
		if _, isNone := child.(none); !isNone {
			return allOf{block{text("all", children), children}}, nil
		}
	}
	return nil, errNoneOnly
}

func text(word string, children []node) string {
	lines := make([]string, len(children))
	for i, child := range children {
		lines[i] = child.String()
	}
	return word + " { " + strings.Join(lines, "; ") + " }"
}

// quoted writes names as the configuration would.
func quoted(word string, names []string) string {
	var b strings.Builder
	b.WriteString(word)
	for _, name := range names {
		if name == "" || strings.ContainsAny(name, " ,\"") {
			name = `"` + name + `"`
		}
		b.WriteString(" " + name)
	}
	return b.String()
}
