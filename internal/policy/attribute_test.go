package policy

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestRolesAndAttributes(t *testing.T) {
	a := alice(t).Account
	a.Details = &identity.Details{
		Attributes: []identity.Attribute{{Name: "department", Values: []string{"Web", "Ops"}}, {Name: "pager"}},
		Roles:      []string{"staff", "Power Users"},
		Unsure:     []string{"Partner"},
	}
	id, plain := identity.New(a, FoldDN), alice(t)
	department := func(value string) Rule { return Rule{Attribute: &Attribute{"Department", value}} }
	for name, c := range map[string]struct {
		rule  Rule
		allow bool
		text  string
	}{
		"role":              {Rule{Role: []string{"admin", "STAFF"}}, true, "role admin STAFF"},
		"role with a space": {Rule{Role: []string{"power users"}}, true, `role "power users"`},
		"another role":      {Rule{Role: []string{"admin"}}, false, "role admin"},
		"value":             {department("ops"), true, "attribute Department ops"},
		"another value":     {department("HR"), false, "attribute Department HR"},
		"no value":          {Rule{Attribute: &Attribute{"pager", "1"}}, false, "attribute pager 1"},
		"unread":            {Rule{Attribute: &Attribute{"title", "x"}}, false, "attribute title x"},
		"none, and it fits": {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{department("web")}}}}, false, "all { valid-user; none { attribute Department web } }"},
		"none":              {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{Role: []string{"contractor"}}}}}}, true, "all { valid-user; none { role contractor } }"},
		"none, unsure":      {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{Role: []string{"contractor", "partner"}}}}}}, false, "all { valid-user; none { role contractor partner } }"},
	} {
		p, err := Compile(c.rule)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := p.Decide(id, Scope{}); got.Allow != c.allow || got.Rule != c.text {
			t.Errorf("%s: got %v, want %v %q", name, got, c.allow, c.text)
		}
		if p.Decide(plain, Scope{}).Allow && name != "none" && name != "none, unsure" && name != "none, and it fits" {
			t.Errorf("%s: who has neither roles nor attributes passes", name)
		}
		if n := testing.AllocsPerRun(50, func() { p.Decide(id, Scope{}) }); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
	for name, rule := range map[string]Rule{
		"no role": {Role: []string{}}, "empty role": {Role: []string{" "}}, "placeholder": {Role: []string{"{role}"}},
		"no name": {Attribute: &Attribute{"", "x"}}, "odd name": {Attribute: &Attribute{"a)(b", "x"}}, "no value": department(""),
		"placeholder value": department("{x}"), "two in one": {Role: []string{"a"}, Attribute: &Attribute{"b", "c"}},
	} {
		if _, err := Compile(rule); err == nil {
			t.Errorf("%s: compiles", name)
		}
	}
	got := Rule{Any: []Rule{department("a"), {All: []Rule{{ValidUser: true}, {None: []Rule{{Attribute: &Attribute{"title", "x"}}}}}}}}.Attributes()
	if len(got) != 2 || got[0] != "Department" || got[1] != "title" {
		t.Errorf("got attributes %q, want Department and title", got)
	}
}
