package policy

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestNoneOfWhatATicketLacks: a ticket that nobody looks up says neither the DN of
// its client nor the groups of BUILTIN, which are each server's own. So a rule that
// keeps out by one of them may mean this very client.
func TestNoneOfWhatATicketLacks(t *testing.T) {
	group := sid(t, "S-1-5-21-1-2-3-513")
	id := identity.New(identity.Account{
		Directory: "EXAMPLE", Home: "EXAMPLE", Domain: "EXAMPLE", DNSDomain: "example.com", SAM: "mallory",
		SID: sid(t, "S-1-5-21-1-2-3-1104"), Groups: []identity.Group{{SID: group}},
	}, FoldDN)
	for name, c := range map[string]struct {
		none Rule
		want bool
	}{
		"another name":             {Rule{User: []string{"alice"}}, true},
		"the name":                 {Rule{User: []string{"mallory"}}, false},
		"a DN":                     {Rule{User: []string{"CN=Mallory,OU=Staff,DC=example,DC=com"}}, false},
		"a SID of the domain":      {Rule{SID: []string{"S-1-5-21-1-2-3-1200"}}, true},
		"a group of the domain":    {Rule{Group: []string{"S-1-5-21-1-2-3-1200"}}, true},
		"BUILTIN as a SID":         {Rule{SID: []string{"S-1-5-32-546"}}, false},
		"BUILTIN as a group":       {Rule{Group: []string{"S-1-5-32-546"}}, false},
		"a group of BUILTIN":       {Rule{Group: []string{"Guests"}}, false},
		"a SID that the token has": {Rule{SID: []string{group.String()}}, false},
	} {
		p, err := Compile(Rule{All: []Rule{{ValidUser: true}, {None: []Rule{c.none}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Decide(id, Scope{First: "EXAMPLE"}).Allow; got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
