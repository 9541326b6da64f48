package caddyldap

import (
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

func groupNames(id *identity.Identity) map[string]bool {
	names := make(map[string]bool)
	for _, g := range id.Groups() {
		names[g.Domain+`\`+g.Name] = true
	}
	return names
}

// TestRefreshNeedsTheToken: groups without a name, and those of other domains,
// stand in a token alone. Where it can no longer be read, the groups found
// otherwise must not replace it: somebody would lose what keeps them out.
func TestRefreshNeedsTheToken(t *testing.T) {
	first := startDemo(t, nil)
	d, _ := open(t, demoDirectory(first), "EXAMPLE")
	basic, err := logIn(t, d, "alice", "Secr3t-alice")
	if err != nil {
		t.Fatal(err)
	}
	byNTLM, err := logInNTLM(t, d, &ntlm.Client{User: "alice", Password: "Secr3t-alice"})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	startDemo(t, func(c *demodir.Config) {
		c.Addr = strings.TrimPrefix(first.LDAPS(), "ldaps://")
		c.NoTokenGroups = true
	})
	for how, id := range map[string]*identity.Identity{"basic": basic, "ntlm": byNTLM} {
		if _, err := d.Refresh(t.Context(), id); identity.KindOf(err) != identity.KindCannotRefresh {
			t.Errorf("%s: got %v, want %v", how, err, identity.KindCannotRefresh)
		}
	}
}

func TestGroups(t *testing.T) {
	for _, c := range []struct {
		name   string
		quirks demodir.Quirks
	}{
		{"token", demodir.Quirks{}},
		{"chain", demodir.Quirks{NoTokenGroups: true}},
		{"walk", demodir.Quirks{NoTokenGroups: true, NoInChain: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _ := open(t, demoDirectory(startDemo(t, func(cfg *demodir.Config) {
				cfg.Quirks = c.quirks
				cfg.Groups = append(cfg.Groups, demodir.Group{Name: "Cycle", MemberOf: []string{"Cycle Back"}}, demodir.Group{Name: "Cycle Back", MemberOf: []string{"Cycle"}})
				cfg.Users[2].Groups = append(cfg.Users[2].Groups, "Cycle")
			})), "EXAMPLE")
			ways := everyWay(t, d, "carol")
			for how, id := range ways {
				names := groupNames(id)
				for _, want := range []string{"HR Board", "HR Managers", "HR", "Staff", "Domain Users", "Cycle", "Cycle Back"} {
					if !names[`EXAMPLE\`+want] {
						t.Errorf("%s: %s is missing from %v", how, want, names)
					}
				}
				if names[`EXAMPLE\Power Users`] || names[`EXAMPLE\carol`] || id.SID != ways["password"].SID {
					t.Errorf("%s: got %v of %v", how, names, id.SID)
				}
			}
		})
	}
}
