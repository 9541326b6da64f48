package caddyldap

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestUIDOfAnother: outside Active Directory whoever is called by sAMAccountName
// is not called as somebody else is by uid.
func TestUIDOfAnother(t *testing.T) {
	s := unixPeople(t, map[string][]string{"victim": {"anna"}, "anna": {"other"}, "ben": {"ben"}})
	config := unixDirectory(s)
	config.BindAs, config.User = &BindAs{Form: bindAbsolute}, nil
	d, _ := open(t, config, "EXAMPLE")
	for cn, want := range map[string]identity.Kind{"anna": identity.KindAmbiguous, "ben": 0} {
		id, err := logIn(t, d, "CN="+cn+",OU=Staff,"+s.BaseDN(), "Secr3t-"+cn)
		if (want == 0) != (err == nil) || err != nil && identity.KindOf(err) != want {
			t.Errorf("%s: got %v, %v, want %v", cn, id, err, want)
		}
	}
}

// TestNameOfAGroup: a group is called by the value in its DN, whatever else
// whoever may write its cn has added, in whatever order it comes.
func TestNameOfAGroup(t *testing.T) {
	e := entryOf("cn=choir,ou=groups,dc=x", map[string][]string{"cn": {"admins", "choir"}})
	if got := (knownDomain{}).group(identity.SID{}, e, "cn"); got.Name != "choir" {
		t.Errorf("got %q, want choir", got.Name)
	}
}
