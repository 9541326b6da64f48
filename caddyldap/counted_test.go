package caddyldap

import (
	"maps"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// TestGroupWord: the same groups count, under the same names, however they are
// found.
func TestGroupWord(t *testing.T) {
	off := false
	for name, c := range map[string]struct {
		group Group
		want  []string // of carol, who is directly in HR Board
	}{
		"nested off":            {Group{Nested: &off}, []string{`EXAMPLE\Domain Users`, `EXAMPLE\HR Board`}},
		"filter":                {Group{Filter: "(sAMAccountName=HR*)"}, []string{`EXAMPLE\HR`, `EXAMPLE\HR Board`, `EXAMPLE\HR Managers`}},
		"climbed through":       {Group{Filter: "(sAMAccountName=Staff)"}, []string{`EXAMPLE\Staff`}},
		"filter and nested off": {Group{Filter: "(!(sAMAccountName=Domain Users))", Nested: &off}, []string{`EXAMPLE\HR Board`}},
		"attribute":             {Group{Attribute: "distinguishedName", Filter: "(cn=HR)"}, []string{`EXAMPLE\CN=HR,OU=Groups,DC=example,DC=test`}},
	} {
		for how, quirks := range map[string]demodir.Quirks{
			"token": {}, "chain": {NoTokenGroups: true}, "walk": {NoTokenGroups: true, NoInChain: true},
		} {
			t.Run(name+" by "+how, func(t *testing.T) {
				config := demoDirectory(startDemo(t, func(cfg *demodir.Config) { cfg.Quirks = quirks }))
				config.Group = &c.group
				d, _ := open(t, config, "EXAMPLE")
				for how, id := range everyWay(t, d, "carol") {
					names := groupNames(id)
					maps.DeleteFunc(names, func(name string, _ bool) bool { return name == `\` }) // well-known SIDs
					if got := slices.Sorted(maps.Keys(names)); !slices.Equal(got, c.want) {
						t.Errorf("%s: got %q, want %q", how, got, c.want)
					}
				}
			})
		}
	}
}

// TestUnseenGroups: whoever is in a group that no search shows, or whose members
// none shows, passes no none
// that names a group, but gets in by no rule about it either.
func TestUnseenGroups(t *testing.T) {
	s := startDemo(t, nil)
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	err := d.service.do(t.Context(), func(c *conn, _ rootDSE) error {
		for dn, want := range map[string]bool{"CN=Hidden,OU=Groups," + s.BaseDN(): true, "CN=HR,OU=Groups," + s.BaseDN(): true, "OU=Groups," + s.BaseDN(): false} {
			p := person{entry: ldap.NewEntry("CN=x,"+s.BaseDN(), map[string][]string{"memberOf": {dn}})}
			groups, err := unseen(t.Context(), c, p, nil)
			if err != nil {
				return err
			}
			id := identity.New(identity.Account{SID: sidFrom(t, "S-1-5-21-1-2-3-1104"), Groups: groups}, policy.FoldDN)
			if got := id.HidesGroups(); got != want || id.InDN(policy.FoldDN(dn)) {
				t.Errorf("%s: got hidden %v, want %v, and no membership", dn, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
