package policy

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestNoneWithForeignGroups: a token of Active Directory has the groups of other
// domains as bare SIDs. Whoever is in one may be in the very group that a rule
// names there; a group of the own domain it cannot be.
func TestNoneWithForeignGroups(t *testing.T) {
	a := alice(t).Account
	a.DNSDomain = "example.com"
	a.Groups = append(alice(t).Groups(), identity.Group{SID: sid(t, "S-1-5-21-9-9-9-1300")})
	id := identity.New(a, FoldDN)
	for rule, want := range map[string]bool{
		`Contractors`:                                         true,
		`EXAMPLE\Contractors`:                                 true,
		`example.com\Contractors`:                             true,
		`builtin\Guests`:                                      true,
		`OTHER\Contractors`:                                   false,
		`other.example.com\Contractors`:                       false,
		`CN=Contractors,OU=Groups,DC=example,DC=com`:          true,
		`cn=contractors,dc=EXAMPLE,dc=Com`:                    true,
		`CN=Contractors,DC=other,DC=test`:                     false,
		`CN=Contractors,DC=child,DC=example,DC=com`:           false,
		`CN=Contractors,OU=a\,DC=x,DC=example,DC=com`:         false, // careful: no such DN is worth reading twice
		`CN=x,CN=ForeignSecurityPrincipals,DC=example,DC=com`: false,
		`S-1-5-21-9-9-9-1301`:                                 true,
		`S-1-5-21-9-9-9-1300`:                                 false,
	} {
		p, err := Compile(Rule{All: []Rule{{ValidUser: true}, {None: []Rule{{Group: []string{rule}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Decide(id, Scope{First: "EXAMPLE"}).Allow; got != want {
			t.Errorf("none { group %s }: got %v, want %v", rule, got, want)
		}
	}
}

// TestWellKnownGroupsHideNothing: S-1-5-11 and the like have no name in any
// directory, and are no group that a rule could mean by one.
func TestWellKnownGroupsHideNothing(t *testing.T) {
	a := alice(t).Account
	for _, text := range []string{"S-1-1-0", "S-1-5-11", "S-1-5-64-10", "S-1-18-1", "S-1-5-21-0-0-0-497"} {
		a.Groups = append(a.Groups, identity.Group{SID: sid(t, text)})
	}
	id := identity.New(a, FoldDN)
	if id.HidesGroups() || id.HidesForeignGroups() {
		t.Errorf("got %v, %v, want nothing hidden", id.HidesGroups(), id.HidesForeignGroups())
	}
}

// TestNoneWithUnknownGroup: a group that nobody could read, found by a walk, has
// neither name nor SID, and may be any.
func TestNoneWithUnknownGroup(t *testing.T) {
	id := identity.New(identity.Account{Directory: "EXAMPLE", SID: sid(t, "S-1-5-21-1-2-3-1104"), Groups: []identity.Group{{}}}, FoldDN)
	for _, none := range []Rule{{SID: []string{"S-1-5-21-1-2-3-1105"}}, {Group: []string{"S-1-5-21-1-2-3-1105"}}} {
		p, err := Compile(Rule{All: []Rule{{ValidUser: true}, {None: []Rule{none}}}})
		if err != nil {
			t.Fatal(err)
		}
		if p.Decide(id, Scope{}).Allow {
			t.Errorf("%s lets in somebody who is in a group of which nobody knows the SID", p)
		}
	}
}
