package policy

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestResembling: threats D-03 and D-04. A name that Unicode's tables bring together
// with the rule's, and a directory may not, lets nobody in and keeps them out of
// what only others may see.
func TestResembling(t *testing.T) {
	id := identity.New(identity.Account{
		Directory: "EXAMPLE", Home: "EXAMPLE", Domain: "EXAMPLE", SAM: "νικοσ", UPN: "νικοσ@example.test", DN: "uid=νικοσ,dc=example,dc=test",
		Groups:  []identity.Group{{Name: "µtorrent", Domain: "EXAMPLE", DN: `cn=\C2\B5torrent,dc=example,dc=test`}, {Name: "Web", Domain: "EXAMPLE", DN: "cn=Web,dc=example,dc=test"}},
		Details: &identity.Details{Attributes: []identity.Attribute{{Name: "title", Values: []string{"ᲀраch"}}}},
	}, FoldDN)
	for name, c := range map[string]struct {
		rule      Rule
		fits, not bool // in none: lets the account pass
	}{
		"user, as it is":          {Rule{User: []string{"ΝΙΚΟΣ"}}, true, false},
		"user":                    {Rule{User: []string{"νικος"}}, false, false},
		"user in domain":          {Rule{User: []string{`EXAMPLE\νικος`}}, false, false},
		"user by UPN":             {Rule{User: []string{"νικος@example.test"}}, false, false},
		"user by DN":              {Rule{User: []string{"uid=νικος,dc=example,dc=test"}}, false, false},
		"user by DN, as it is":    {Rule{User: []string{"UID=ΝΙΚΟΣ,dc=example,dc=test"}}, true, false},
		"user by DN of another":   {Rule{User: []string{"uid=νικος,dc=other,dc=test"}}, false, true},
		"another user":            {Rule{User: []string{"νικη"}}, false, true},
		"user by SID":             {Rule{User: []string{domainSID + "1104"}}, false, true},
		"group, as it is":         {Rule{Group: []string{"µTORRENT"}}, true, false},
		"group":                   {Rule{Group: []string{"μtorrent"}}, false, false},
		"group in domain":         {Rule{Group: []string{`EXAMPLE\Μtorrent`}}, false, false},
		"group by DN":             {Rule{Group: []string{"cn=μtorrent,dc=example,dc=test"}}, false, false},
		"group by DN, as it is":   {Rule{Group: []string{"cn=µtorrent,dc=example,dc=test"}}, true, false},
		"another group":           {Rule{Group: []string{"torrent"}}, false, true},
		"another group by DN":     {Rule{Group: []string{"cn=Web,dc=other,dc=test"}}, false, true},
		"value":                   {Rule{Attribute: &Attribute{"title", "враch"}}, false, false},
		"value, as it is":         {Rule{Attribute: &Attribute{"title", "ᲀРАCH"}}, true, false},
		"another value":           {Rule{Attribute: &Attribute{"title", "врач"}}, false, true},
		"what fits in a block":    {Rule{All: []Rule{{Attribute: &Attribute{"title", "ᲀраch"}}, {User: []string{"nobody"}}}}, false, true},
		"what may fit in a block": {Rule{All: []Rule{{Attribute: &Attribute{"title", "враch"}}, {User: []string{"νικοσ"}}}}, false, false},
	} {
		for what, want := range map[string]bool{"fits": c.fits, "none": c.not} {
			rule := c.rule
			if what == "none" {
				rule = Rule{All: []Rule{{ValidUser: true}, {None: []Rule{c.rule}}}}
			}
			p, err := Compile(rule)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := p.Decide(id, Scope{First: "EXAMPLE"}).Allow; got != want {
				t.Errorf("%s, %s: got %v, want %v", name, what, got, want)
			}
		}
	}
}
