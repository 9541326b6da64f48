package caddyldap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// ways logs somebody in and gives the way to each group by its name.
func ways(t *testing.T, d *Directory, name string, other string) (map[string]string, bool) {
	t.Helper()
	p, err := d.PasswordVerifier().VerifyPassword(t.Context(), identity.ParseName(name), identity.NewSecret("Secr3t-"+name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	var asked *identity.Identity
	if other != "" {
		if asked, err = d.Lookup(t.Context(), p, identity.ParseName(other)); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := d.Paths(t.Context(), p, asked)
	if err != nil {
		t.Fatal(err)
	}
	id := asked
	if id == nil {
		if id, err = d.Resolve(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	found := make(map[string]string)
	for _, g := range id.Groups() {
		path := paths.Of(g)
		found[g.Name] = fmt.Sprintf("%d %s", path.Start, strings.Join(path.Through, ">"))
	}
	return found, paths.Cut
}

// TestPaths: the shortest way to each group, with a ring, two ways to one group
// and a chain that is longer than what is followed.
func TestPaths(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) {
		c.Groups = append(c.Groups, demodir.Group{Name: "Ring A", MemberOf: []string{"Ring B"}}, demodir.Group{Name: "Ring B", MemberOf: []string{"Ring A", "Staff"}})
		c.Users = append(c.Users, demodir.User{Name: "ringer", Password: "Secr3t-ringer", Groups: []string{"Ring A", "HR Board"}})
		for i := range 60 {
			g := demodir.Group{Name: fmt.Sprintf("chain-%02d", i)}
			if i < 59 {
				g.MemberOf = []string{fmt.Sprintf("chain-%02d", i+1)}
			}
			c.Groups = append(c.Groups, g)
		}
		c.Users = append(c.Users, demodir.User{Name: "deep", Password: "Secr3t-deep", Groups: []string{"chain-00"}})
	})
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	for name, c := range map[string]struct {
		user, other string
		want        map[string]string
		cut         bool
	}{
		"nested":    {"carol", "", map[string]string{"HR Board": "1 ", "HR Managers": "1 HR Board", "HR": "1 HR Board>HR Managers", "Staff": "1 HR Board>HR Managers>HR", "Domain Users": "2 ", "Users": "2 Domain Users"}, false},
		"a ring":    {"ringer", "", map[string]string{"Ring A": "1 ", "Ring B": "1 Ring A", "Staff": "1 Ring A>Ring B", "HR": "1 HR Board>HR Managers"}, false},
		"another's": {"alice", "carol", map[string]string{"HR": "1 HR Board>HR Managers", "Domain Users": "2 "}, false},
		"too deep":  {"deep", "", map[string]string{"chain-00": "1 ", "chain-59": "0 "}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, cut := ways(t, d, c.user, c.other)
			for group, want := range c.want {
				if got[group] != want {
					t.Errorf("%s: got %q, want %q", group, got[group], want)
				}
			}
			if cut != c.cut {
				t.Errorf("cut: got %v, want %v", cut, c.cut)
			}
		})
	}
}
