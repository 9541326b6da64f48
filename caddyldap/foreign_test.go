package caddyldap

import (
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func entryOf(dn string, attributes map[string][]string) *ldap.Entry {
	return ldap.NewEntry(dn, attributes)
}

func sidFrom(t *testing.T, text string) identity.SID {
	t.Helper()
	sid, err := identity.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

// TestAccountOfAnotherDomain: a global catalog shows CHILD\alice below our own
// DN. She is not EXAMPLE\alice.
func TestAccountOfAnotherDomain(t *testing.T) {
	d, _ := open(t, &Directory{Server: []Server{{URL: "ldaps://127.0.0.1:1636"}}}, "EXAMPLE")
	root := rootDSE{base: "DC=example,DC=test", ad: true}
	own := person{entry: entryOf("CN=alice,OU=Staff,DC=example,DC=test", nil), sid: sidFrom(t, "S-1-5-21-1-2-3-1104"), whole: true}
	child := person{entry: entryOf("CN=alice,OU=Staff,DC=child,DC=example,DC=test", nil), sid: sidFrom(t, "S-1-5-21-7-8-9-1104"), whole: true}
	for name, k := range map[string]*knownDomain{
		"known":   {netBIOS: "EXAMPLE", dns: "example.test", sid: own.sid.Domain()},
		"unknown": {},
	} {
		d.domain.facts.Store(k)
		c := &conn{server: d.servers.list[0]}
		if id, err := d.identify(t.Context(), c, root, child, nameRelay); identity.KindOf(err) != identity.KindNotFound || id != nil {
			t.Errorf("%s: got %v, want %v", name, err, identity.KindNotFound)
		}
		if _, err := d.identify(t.Context(), c, root, own, nameRelay); err != nil {
			t.Errorf("%s: our own: got %v", name, err)
		}
	}
}

// TestChainHolds: the rule climbs through distribution groups, and the tokens
// of controllers do not.
func TestChainHolds(t *testing.T) {
	const security, distribution = "-2147483646", "2"
	p := person{entry: entryOf("CN=bob,DC=x", map[string][]string{"memberOf": {"CN=S1,DC=x"}})}
	group := func(dn, kind string) *ldap.Entry { return entryOf(dn, map[string][]string{"groupType": {kind}}) }
	s1, list, s2 := group("cn=s1,dc=x", security), group("CN=Mail List,DC=x", distribution), group("CN=S2,DC=x", security)
	for name, c := range map[string]struct {
		found []*ldap.Entry
		want  bool
	}{
		"nothing":      {nil, false},
		"whole":        {[]*ldap.Entry{s1, s2}, true},
		"less":         {[]*ldap.Entry{s2}, false},
		"through list": {[]*ldap.Entry{s1, list, s2}, false},
	} {
		found := make(map[string]*ldap.Entry)
		for _, e := range c.found {
			found[identity.Fold(e.DN)] = e
		}
		if got := chainHolds(p, found); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestDomainOfGroups: a bare name must find its group, and none must see it,
// where the domain's own facts cannot be read and where there are no SIDs.
func TestDomainOfGroups(t *testing.T) {
	d, _ := open(t, &Directory{Server: []Server{{URL: "ldaps://dc1.example.test"}}}, "EXAMPLE")
	d.domain.facts.Store(&knownDomain{})
	self := sidFrom(t, "S-1-5-21-1-2-3-1104")
	for text, want := range map[string]string{
		"S-1-5-21-1-2-3-1200": "EXAMPLE", "S-1-5-32-544": "BUILTIN", "S-1-5-21-9-9-9-1200": "", "S-1-5-11": "",
	} {
		if got := d.around(self).domainOf(sidFrom(t, text)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	groups, err := d.fromEntries(map[string]*ldap.Entry{"x": entryOf("cn=HR,dc=x", map[string][]string{"cn": {"HR"}})}, identity.SID{})
	if err != nil || len(groups) != 1 || groups[0].Domain != "EXAMPLE" {
		t.Errorf("without SIDs: got %v, %v", groups, err)
	}
}

// TestLearnAgain: who may not read the domain's names does not settle them for
// everybody.
func TestLearnAgain(t *testing.T) {
	s := startDemo(t, nil)
	d, _ := open(t, demoDirectory(s), "DEMO")
	d.domain.facts.Store(&knownDomain{})
	id, err := logIn(t, d, "alice", "Secr3t-alice")
	if err == nil && id.Domain != "EXAMPLE" || identity.KindOf(err) == identity.KindMismatch {
		t.Errorf("got %v, %v", id, err)
	}
	if err != nil { // DEMO\alice is nobody, and alice@example.test is
		if id, err = logIn(t, d, "alice@example.test", "Secr3t-alice"); err != nil || id.Domain != "EXAMPLE" {
			t.Errorf("got %v, %v", id, err)
		}
	}
}

// TestStandingHidden: who may not see that an account is disabled must not
// vouch for it.
func TestStandingHidden(t *testing.T) {
	hidden := entryOf("CN=alice,DC=x", nil)
	shown := entryOf("CN=alice,DC=x", map[string][]string{"userAccountControl": {"512"}})
	if err := showsStanding(rootDSE{ad: true}, hidden); identity.KindOf(err) != identity.KindCannotRefresh {
		t.Errorf("hidden: got %v, want %v", err, identity.KindCannotRefresh)
	}
	if err := showsStanding(rootDSE{ad: true}, shown); err != nil {
		t.Errorf("shown: got %v", err)
	}
	if err := showsStanding(rootDSE{}, hidden); err != nil {
		t.Errorf("no Active Directory: got %v", err)
	}
}
