package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// hider is alice with a nameless group, an attribute that was cut short and a
// filter without an answer.
func hider(t testing.TB) *identity.Identity {
	a := alice(t).Account
	a.Groups = append(alice(t).Groups(), identity.Group{SID: sid(t, domainSID+"1999")})
	a.Details = &identity.Details{
		Attributes: []identity.Attribute{{Name: "department", Values: []string{"Web"}}, {Name: "title", Values: []string{"a"}, Partial: true}},
		Roles:      []string{"editor"}, Unsure: []string{"admin"},
		Fittings: []identity.Fitting{{Filter: "(a=b)", Fit: identity.FitYes}, {Filter: "(a=c)", Fit: identity.FitNo}, {Filter: "(a=d)"}},
	}
	return identity.New(a, FoldDN)
}

// stranger is in a group of which nothing is known.
func stranger() *identity.Identity {
	return identity.New(identity.Account{Directory: "EXAMPLE", SAM: "x", SID: alice(nopTB).SID, Groups: []identity.Group{{}}}, FoldDN)
}

// lines are one of each sort, those that fit somebody and those that do not.
func lines() []Rule {
	return []Rule{
		{ValidUser: true},
		{User: []string{"alice"}},
		{User: []string{"bob", `EXAMPLE\carol`}},
		{Group: []string{"HR"}},
		{Group: []string{"Web Users", "HR"}},
		{Group: []string{`OTHER\nobody`}},
		{Group: []string{"S-1-5-4"}},
		{SID: []string{"S-1-5-11"}},
		{SID: []string{"S-1-5-4"}},
		{Role: []string{"editor"}},
		{Role: []string{"admin"}},
		{Attribute: &Attribute{"department", "web"}},
		{Attribute: &Attribute{"title", "b"}},
		{Attribute: &Attribute{"absent", "b"}},
		{Filter: "(a=b)"},
		{Filter: "(a=c)"},
		{Filter: "(a=d)"},
	}
}

func drawRule(t *rapid.T, depth int) Rule {
	if depth == 0 || rapid.Bool().Draw(t, "leaf") {
		return rapid.SampledFrom(lines()).Draw(t, "line")
	}
	var inner []Rule
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		inner = append(inner, drawRule(t, depth-1))
	}
	switch rapid.IntRange(0, 2).Draw(t, "block") {
	case 0:
		return Rule{Any: inner}
	case 1:
		return Rule{All: inner}
	}
	return Rule{All: []Rule{{ValidUser: true}, {None: inner}}}
}

// TestExplainSaysWhatDecideDoes: an explanation that differs from the decision
// would send an administrator the wrong way. Of a log-in nothing is unseen; of an
// account looked up each verdict but Unseen is the decision.
func TestExplainSaysWhatDecideDoes(t *testing.T) {
	for _, a := range lines() {
		for _, b := range lines() {
			pair := []Rule{a, b}
			for _, rule := range []Rule{a, {Any: pair}, {All: pair}, {All: []Rule{{ValidUser: true}, {None: pair}}}, {All: []Rule{{ValidUser: true}, {None: []Rule{{Any: pair}}}}}} {
				checkExplained(t, rule)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) { checkExplained(t, drawRule(t, 3)) })
}

func checkExplained(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, rule Rule) {
	p, err := Compile(rule)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []*identity.Identity{alice(nopTB), hider(nopTB), stranger()} {
		want := p.Decide(id, Scope{First: "EXAMPLE"}).Allow
		if got := p.Explain(id, Scope{First: "EXAMPLE"}, true); (got.Verdict == Fits) != want || got.Verdict == Unseen {
			t.Fatalf("%s: got %+v, and the decision is %v", p, got, want)
		}
		if got := p.Explain(id, Scope{First: "EXAMPLE"}, false); (got.Verdict == Fits) != want && got.Verdict != Unseen {
			t.Fatalf("%s, looked up: got %+v, and the decision is %v", p, got, want)
		}
	}
}

// nopTB is for helpers whose failure is a panic here.
var nopTB testing.TB = &testing.T{}

// TestUnseen: what a log-in may yet show is neither yes nor no.
func TestUnseen(t *testing.T) {
	token := alice(t).Account
	token.ByToken, token.Groups = true, alice(t).Groups()
	for name, c := range map[string]struct {
		rule            Rule
		byWalk, byToken Verdict
	}{
		"well-known SID":             {Rule{SID: []string{"S-1-5-4"}}, Unseen, Unseen},
		"well-known SID, there":      {Rule{SID: []string{"S-1-5-11"}}, Fits, Fits},
		"SID of BUILTIN":             {Rule{SID: []string{"S-1-5-32-544"}}, FitsNot, FitsNot},
		"own domain's SID":           {Rule{Group: []string{domainSID + "5"}}, FitsNot, FitsNot},
		"another domain's SID":       {Rule{Group: []string{"S-1-5-21-8-8-8-5"}}, Unseen, FitsNot},
		"group of another domain":    {Rule{Group: []string{`PARTNER\x`}}, Unseen, FitsNot},
		"group by another's DN":      {Rule{Group: []string{"CN=x,DC=partner,DC=test"}}, Unseen, FitsNot},
		"own group":                  {Rule{Group: []string{"x"}}, FitsNot, FitsNot},
		"any":                        {Rule{Any: []Rule{{User: []string{"bob"}}, {SID: []string{"S-1-5-4"}}}}, Unseen, Unseen},
		"any that fits":              {Rule{Any: []Rule{{ValidUser: true}, {SID: []string{"S-1-5-4"}}}}, Fits, Fits},
		"all":                        {Rule{All: []Rule{{ValidUser: true}, {SID: []string{"S-1-5-4"}}}}, Unseen, Unseen},
		"all that cannot":            {Rule{All: []Rule{{User: []string{"bob"}}, {SID: []string{"S-1-5-4"}}}}, FitsNot, FitsNot},
		"none":                       {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{SID: []string{"S-1-5-4"}}}}}}, Unseen, Unseen},
		"none that keeps out anyway": {Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{User: []string{"alice"}}, {SID: []string{"S-1-5-4"}}}}}}, FitsNot, FitsNot},
	} {
		p, err := Compile(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		walked := p.Explain(alice(t), Scope{First: "EXAMPLE"}, false).Verdict
		read := p.Explain(identity.New(token, FoldDN), Scope{First: "EXAMPLE"}, false).Verdict
		if walked != c.byWalk || read != c.byToken {
			t.Errorf("%s: got %d and %d, want %d and %d", name, walked, read, c.byWalk, c.byToken)
		}
	}
}

// TestWhy: each line says what it went by.
func TestWhy(t *testing.T) {
	for name, c := range map[string]struct {
		rule  Rule
		scope string
		want  string
	}{
		"user":            {Rule{User: []string{"bob"}}, "EXAMPLE", `the account is EXAMPLE\alice`},
		"user, elsewhere": {Rule{User: []string{"alice"}}, "PARTNER", "a bare name is an account of PARTNER"},
		"group":           {Rule{Group: []string{"HR", "web users"}}, "EXAMPLE", "a member of web users"},
		"hidden group":    {Rule{Group: []string{"HR"}}, "EXAMPLE", "that could not be read"},
		"sid":             {Rule{SID: []string{"S-1-5-11"}}, "EXAMPLE", "has S-1-5-11"},
		"role":            {Rule{Role: []string{"x"}}, "EXAMPLE", "roles: editor"},
		"unsure role":     {Rule{Role: []string{"admin"}}, "EXAMPLE", "could not see all values"},
		"attribute":       {Rule{Attribute: &Attribute{"department", "HR"}}, "EXAMPLE", `department is Web`},
		"cut attribute":   {Rule{Attribute: &Attribute{"title", "b"}}, "EXAMPLE", "not all values"},
		"unasked":         {Rule{Attribute: &Attribute{"absent", "b"}}, "EXAMPLE", "not asked"},
		"filter":          {Rule{Filter: "(a=d)"}, "EXAMPLE", "gives no answer"},
	} {
		p, err := Compile(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Explain(hider(t), Scope{First: c.scope}, true); !strings.Contains(got.Why, c.want) {
			t.Errorf("%s: got %q, want %q in it", name, got.Why, c.want)
		}
	}
}
