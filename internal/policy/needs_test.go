package policy

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestUnasked: a no says so where the directory was never asked what the rule
// wants to know, and not where it was asked and had no answer; a yes never does.
func TestUnasked(t *testing.T) {
	filters := func(f ...identity.Fitting) *identity.Details { return &identity.Details{Fittings: f} }
	attributes := func(a ...identity.Attribute) *identity.Details { return &identity.Details{Attributes: a} }
	without := func(r Rule) Rule { return Rule{All: []Rule{{ValidUser: true}, {None: []Rule{r}}}} }
	department := Rule{Attribute: &Attribute{"department", "Web"}}
	for name, c := range map[string]struct {
		rule    Rule
		details *identity.Details
		allow   bool
		unasked bool
	}{
		"filter, no details":      {Rule{Filter: web}, nil, false, true},
		"filter, another asked":   {Rule{Filter: web}, filters(identity.Fitting{Filter: "(mail=*)", Fit: identity.FitYes}), false, true},
		"filter, no answer":       {Rule{Filter: web}, filters(identity.Fitting{Filter: web}), false, false},
		"filter, no":              {Rule{Filter: web}, filters(identity.Fitting{Filter: web, Fit: identity.FitNo}), false, false},
		"filter, yes":             {Rule{Filter: web}, filters(identity.Fitting{Filter: web, Fit: identity.FitYes}), true, false},
		"none of it, not asked":   {without(Rule{Filter: web}), nil, false, true},
		"none of it, no":          {without(Rule{Filter: web}), filters(identity.Fitting{Filter: web, Fit: identity.FitNo}), true, false},
		"deep, not asked":         {without(Rule{Any: []Rule{{User: []string{"bob"}}, without(Rule{Filter: web})}}), nil, false, true},
		"any of, and alice it is": {Rule{Any: []Rule{{Filter: web}, {User: []string{"alice"}}}}, nil, true, false},
		"attribute, no details":   {department, nil, false, true},
		"attribute, others asked": {department, attributes(identity.Attribute{Name: "title"}), false, true},
		"attribute, absent":       {department, attributes(identity.Attribute{Name: "Department"}), false, false},
		"attribute, in part":      {without(department), attributes(identity.Attribute{Name: "department", Partial: true}), false, false},
		"mail, always read":       {Rule{Attribute: &Attribute{"mail", "nobody@example.com"}}, nil, false, false},
		"role, no map":            {Rule{Role: []string{"staff"}}, nil, false, false},
		"nothing to ask":          {Rule{Group: []string{"Nobodies"}}, nil, false, false},
	} {
		a := alice(t).Account
		a.Details = c.details
		id := identity.New(a, FoldDN)
		p, err := Compile(c.rule)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := p.Decide(id, Scope{First: "EXAMPLE"}); got.Allow != c.allow || got.Unasked != c.unasked {
			t.Errorf("%s: got %+v, want allow %v, unasked %v", name, got, c.allow, c.unasked)
		}
		if n := testing.AllocsPerRun(50, func() { p.Decide(id, Scope{}) }); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}
