package caddyldap

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// TestMembersByUID: where a group names its members by uid, two accounts of one
// uid are not both its members, wherever they are.
func TestMembersByUID(t *testing.T) {
	account := func(dn string, classes ...string) map[string][]string {
		return map[string][]string{"dn": {dn}, "objectClass": classes}
	}
	const self = "uid=anna,ou=people,dc=x"
	posix, plain := []string{"inetOrgPerson", "posixAccount"}, []string{"inetOrgPerson"}
	for name, c := range map[string]struct {
		named []map[string][]string
		want  bool
	}{
		"alone":                      {[]map[string][]string{account(self, posix...)}, false},
		"not seen":                   {nil, false},
		"another posixAccount":       {[]map[string][]string{account(self, posix...), account("uid=anna,ou=partners,dc=x", posix...)}, true},
		"another is no posixAccount": {[]map[string][]string{account(self, posix...), account("uid=anna,ou=partners,dc=x", plain...)}, false},
		"only another is one":        {[]map[string][]string{account(self, plain...), account("uid=anna,ou=partners,dc=x", posix...)}, true},
		"neither is one":             {[]map[string][]string{account("uid=anna,ou=partners,dc=x", plain...), account(self, plain...)}, true},
		"self in other capitals":     {[]map[string][]string{account("UID=Anna,ou=People,dc=x", plain...)}, false},
		"another alone, self unseen": {[]map[string][]string{account("uid=anna,ou=partners,dc=x", plain...)}, true},
	} {
		named := make([]*ldap.Entry, 0, len(c.named))
		for _, attributes := range c.named {
			named = append(named, entryOf(attributes["dn"][0], attributes))
		}
		if got := sharesUID(named, self); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestManyContexts: those that hold accounts are searched, whatever the server
// puts first, and no more than there is time for.
func TestManyContexts(t *testing.T) {
	d, _ := open(t, &Directory{Server: []Server{{URL: "ldaps://127.0.0.1:1636"}}, BaseDN: []string{"ou=people,dc=s17"}}, "EXAMPLE")
	var root rootDSE
	for i := range 20 {
		root.contexts = append(root.contexts, "dc=s"+string(rune('0'+i/10))+string(rune('0'+i%10)))
	}
	root.base = root.contexts[0]
	bases := d.groupBases(root, "uid=a,ou=people,dc=s19")
	if len(bases) != maxContexts || !has(bases, "dc=s17", false) || !has(bases, "dc=s19", true) || !has(bases, "dc=s00", false) {
		t.Errorf("got %v", bases)
	}
	root.ad = true
	if bases := d.groupBases(root, "CN=a,dc=s00"); len(bases) != 1 || bases[0] != (groupBase{"dc=s00", true}) {
		t.Errorf("Active Directory: got %v", bases)
	}
}

func has(bases []groupBase, dn string, needed bool) bool {
	for _, b := range bases {
		if b.dn == dn && b.needed == needed {
			return true
		}
	}
	return false
}
