package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Attribute is a requirement on the account's own entry.
type Attribute struct {
	// Name of the LDAP attribute.
	Name string `json:"name"`
	// Value that one of the attribute's values must be. Capitals do not matter.
	Value string `json:"value"`
}

// words is the part that rules about the account's own entry share.
type words struct{ text string }

func (w words) String() string { return w.text }

type roles struct {
	words
	folded []string
}

func compileRoles(names []string) (node, error) {
	r := roles{words: words{quoted("role", names)}}
	if len(names) == 0 {
		return nil, errors.New("role names nobody")
	}
	for _, name := range names {
		if err := checkText("role", name); err != nil {
			return nil, err
		}
		r.folded = append(r.folded, identity.Fold(name))
	}
	return r, nil
}

func (r roles) match(id *identity.Identity, _ Scope) (string, bool) {
	return r.text, slices.ContainsFunc(r.folded, id.HasRole)
}

// unsure: the map of the user's directory could not see all values of an attribute.
func (r roles) unsure(id *identity.Identity) bool {
	for _, role := range r.folded {
		if !id.KnowsRole(role) {
			return true
		}
	}
	return false
}

type attribute struct {
	words
	name, value, folded string
}

func compileAttribute(a Attribute) (node, error) {
	if !identity.CheckAttribute(a.Name) {
		return nil, fmt.Errorf("attribute %q: not the name of an LDAP attribute such as department", a.Name)
	}
	if err := checkText("attribute "+a.Name, a.Value); err != nil {
		return nil, err
	}
	return attribute{words{quoted("attribute", []string{a.Name, a.Value})}, a.Name, a.Value, identity.Fold(a.Value)}, nil
}

func (a attribute) match(id *identity.Identity, _ Scope) (string, bool) {
	return a.text, id.HasValue(a.name, a.folded)
}

// unsure: the attribute was not read, or not all of it, or a value only resembles
// the rule's.
func (a attribute) unsure(id *identity.Identity) bool {
	values, _ := id.Attribute(a.name)
	return !id.KnowsValues(a.name) || slices.ContainsFunc(values, func(value string) bool {
		return identity.Resembles(value, a.value) && !identity.FoldsTo(value, a.folded)
	})
}

// checkText refuses what can be no value: an empty one, or a placeholder.
func checkText(word, text string) error {
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("%s: an empty value, which nobody has", word)
	}
	if text[0] == '{' && text[len(text)-1] == '}' {
		return fmt.Errorf("%s %s: placeholders are not replaced in a rule, so nobody would fit; {$VAR} is, when the Caddyfile is read", word, text)
	}
	return nil
}

// Roles lists the roles that the rule names, each with its line.
func (r Rule) Roles() []NamedRole {
	var named []NamedRole
	r.each(func(r Rule) {
		for _, role := range r.Role {
			named = append(named, NamedRole{Rule: quoted("role", r.Role), Role: role})
		}
	})
	return named
}

// NamedRole is a role in a rule.
type NamedRole struct{ Rule, Role string }

// Attributes lists the LDAP attributes that the rule asks about, so that
// directories can be told to read them.
func (r Rule) Attributes() []string {
	var names []string
	r.each(func(r Rule) {
		if r.Attribute != nil {
			names = append(names, r.Attribute.Name)
		}
	})
	return names
}
