package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

const web = "(department=Web)"

// fitting is alice with what her directory says of the filter.
func fitting(t testing.TB, fit identity.Fit) *identity.Identity {
	a := alice(t).Account
	a.Details = &identity.Details{Fittings: []identity.Fitting{{Filter: "(mail=*)", Fit: identity.FitYes}, {Filter: web, Fit: fit}}}
	return identity.New(a, FoldDN)
}

// TestFilter: a filter says yes where the directory said yes; where it could not
// tell, neither the filter nor a none about it lets anybody pass, however deep.
func TestFilter(t *testing.T) {
	rule := Rule{Filter: web}
	without := func(r Rule) Rule { return Rule{All: []Rule{{ValidUser: true}, {None: []Rule{r}}}} }
	never := alice(t)
	for name, c := range map[string]struct {
		rule             Rule
		yes, no, unknown bool
	}{
		"filter":          {rule, true, false, false},
		"none":            {without(rule), false, true, false},
		"none, any of":    {without(Rule{Any: []Rule{{User: []string{"bob"}}, rule}}), false, true, false},
		"none, all of":    {without(Rule{All: []Rule{{ValidUser: true}, rule}}), false, true, false},
		"none twice":      {without(without(rule)), true, false, false},
		"any of":          {Rule{Any: []Rule{rule, {User: []string{"alice"}}}}, true, true, true},
		"another filter":  {Rule{Filter: "(department=web)"}, false, false, false},
		"one never asked": {without(Rule{Filter: "(department=web)"}), false, false, false},
	} {
		p, err := Compile(c.rule)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for fit, want := range map[identity.Fit]bool{identity.FitYes: c.yes, identity.FitNo: c.no, identity.FitUnknown: c.unknown} {
			id := fitting(t, fit)
			if got := p.Decide(id, Scope{First: "EXAMPLE"}).Allow; got != want {
				t.Errorf("%s, %v: got %v, want %v", name, fit, got, want)
			}
			if n := testing.AllocsPerRun(50, func() { p.Decide(id, Scope{}) }); n != 0 {
				t.Errorf("%s: got %v allocations, want none", name, n)
			}
		}
		if got := p.Decide(never, Scope{First: "EXAMPLE"}).Allow; got != c.unknown {
			t.Errorf("%s, whose directory was not told: got %v, want %v", name, got, c.unknown)
		}
	}
	if got, want := (Rule{Any: []Rule{rule, without(Rule{Filter: "(mail=*)"})}}).Filters(), []string{web, "(mail=*)"}; !slices.Equal(got, want) {
		t.Errorf("got filters %q, want %q", got, want)
	}
}

// TestUnsure: what nobody can tell is no ground for a none to let somebody pass:
// roles that a map gives by values it could not see, attributes unread or read in
// part. A role that no map of the directory gives the user has not.
func TestUnsure(t *testing.T) {
	a := alice(t).Account
	a.Details = &identity.Details{
		Attributes: []identity.Attribute{{Name: "department", Values: []string{"Web"}}, {Name: "pager", Values: []string{"1"}, Partial: true}},
		Unsure:     []string{"Staff"},
	}
	id := identity.New(a, FoldDN)
	for name, c := range map[string]struct {
		inner Rule
		want  bool
	}{
		"a role unsure":        {Rule{Role: []string{"STAFF"}}, false},
		"one of two":           {Rule{Role: []string{"hr", "staff"}}, false},
		"a role of no map":     {Rule{Role: []string{"stuff"}}, true},
		"an attribute":         {Rule{Attribute: &Attribute{"department", "HR"}}, true},
		"a value beyond those": {Rule{Attribute: &Attribute{"pager", "2"}}, false},
		"one that is unread":   {Rule{Attribute: &Attribute{"title", "x"}}, false},
		"a user":               {Rule{User: []string{"bob"}}, true},
	} {
		p, err := Compile(Rule{All: []Rule{{ValidUser: true}, {None: []Rule{c.inner}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Decide(id, Scope{First: "EXAMPLE"}).Allow; got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestParseFilter(t *testing.T) {
	for text, want := range map[string][]FilterTerm{
		"(department=Web)": {{"department", "", AsksValue, "Web"}},
		"(&(a=b)(|(!(c=*))(d>=1)))": {
			{"a", "", AsksValue, "b"}, {"c", "", AsksPresence, ""}, {"d", "", AsksValue, "1"},
		},
		"(cn=al*i*ce)":        {{"cn", "", AsksPart, ""}},
		`(cn=\28\2a\29)`:      {{"cn", "", AsksValue, "(*)"}},
		"(2.5.4.3;lang-en=x)": {{"2.5.4.3", "", AsksValue, "x"}},
		"(memberOf:1.2.840.113556.1.4.1941:=CN=Web,DC=example,DC=test)": {{"memberOf", "1.2.840.113556.1.4.1941", AsksValue, "CN=Web,DC=example,DC=test"}},
		"(o:dn:caseExactMatch:=x)":                                      {{"o", "caseExactMatch", AsksValue, "x"}},
		"(cn~=Müller)":                                                  {{"cn", "", AsksValue, "Müller"}},
	} {
		if got, err := ParseFilter(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "x", "department=Web", "(department)", "(department=Web", "(department=Web))", "(a=b)(c=d)", "(&)", "(|)", "(!)", "(a=b", "()", "(=x)",
		"(depart_ment=x)", "( a=b)", "(:caseExactMatch:=x)", "(:=x)", `(cn=\zz)`, `(cn=\2)`, "(cn={http.auth.user.id})", "(cn=\xff)",
		strings.Repeat("(!", maxDepth+2) + "(a=b)" + strings.Repeat(")", maxDepth+2), "(cn=" + strings.Repeat("x", maxFilter) + ")",
	} {
		if _, err := ParseFilter(text); err == nil {
			t.Errorf("%.60q: is taken for a filter", text)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add("(&(a=b)(|(!(c=*))(d>=1)))")
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := ParseFilter(text)
		if err != nil {
			return
		}
		if len(terms) == 0 {
			t.Errorf("%q asks about nothing", text)
		}
		if _, err := ParseFilter("(!" + text + ")"); err != nil && len(text)+3 <= maxFilter && !strings.Contains(err.Error(), "too deep") {
			t.Errorf("%q has no negation: %v", text, err)
		}
	})
}
