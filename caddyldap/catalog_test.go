package caddyldap

import (
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// TestCatalogHasNotAll: what a global catalog does not show may be there all the
// same. It fits no rule, and opens no none; what it shows counts.
func TestCatalogHasNotAll(t *testing.T) {
	for port, unknown := range map[string]bool{"636": false, catalogTLSPort: true, catalogPort: true} {
		config := demoDirectory(startDemo(t, nil))
		config.Attributes = []string{"department", "mail"}
		d, _ := open(t, config, "EXAMPLE")
		if err := d.wantFilter("(department=Nobody's)"); err != nil {
			t.Fatal(err)
		}
		d.setPrint()
		mustLogIn(t, d, "alice") // what the server is, is known from here on
		s := d.servers.all()[0]
		c, err := d.dial(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if _, err := simpleBind(t.Context(), c, `EXAMPLE\alice`, identity.NewSecret("Secr3t-alice")); err != nil {
			t.Fatal(err)
		}
		root, err := readRoot(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		c.server = &server{url: URL{Host: s.url.Host, Port: port, TLS: true}, tls: s.tls, took: s.took}
		p, err := d.fromToken(t.Context(), c, root)
		if err != nil {
			t.Fatal(err)
		}
		p.entry = withoutDepartment(p.entry)
		id, err := d.identify(t.Context(), c, root, p, nameBind)
		if err != nil {
			t.Fatal(err)
		}
		none := policy.Rule{All: []policy.Rule{{ValidUser: true}, {None: []policy.Rule{{Filter: "(department=Nobody's)"}}}}}
		rule, err := policy.Compile(none)
		if err != nil {
			t.Fatal(err)
		}
		if got := rule.Decide(id, policy.Scope{First: "EXAMPLE"}).Allow; got == unknown {
			t.Errorf("port %s: none with a filter: got %v", port, got)
		}
		for _, a := range id.Details.Attributes {
			if want := unknown && a.Name == "department"; a.Partial != want {
				t.Errorf("port %s: %s partial: got %v, want %v", port, a.Name, a.Partial, want)
			}
		}
	}
}

func withoutDepartment(e *ldap.Entry) *ldap.Entry {
	values := make(map[string][]string)
	for _, a := range e.Attributes {
		if a.Name != "department" {
			values[a.Name] = a.Values
		}
	}
	return ldap.NewEntry(e.DN, values)
}
