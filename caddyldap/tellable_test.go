package caddyldap

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/pac"
)

// TestNobodyLooksUp: where a controller's answer, or a ticket, is all that tells of
// somebody, who may come in by base_dn and filter alone does not come in.
func TestNobodyLooksUp(t *testing.T) {
	for name, c := range map[string]struct {
		base   []string
		filter string
		want   identity.Kind
	}{
		"neither":                    {nil, "", 0},
		"the domain":                 {[]string{"DC=example,DC=test"}, "", 0},
		"a part of it":               {[]string{"OU=Staff,DC=example,DC=test"}, "", identity.KindServiceAccount},
		"two parts":                  {[]string{"OU=Staff,DC=example,DC=test", "OU=Guests,DC=example,DC=test"}, "", identity.KindServiceAccount},
		"a part, and the domain":     {[]string{"OU=Staff,DC=example,DC=test", "dc=example,dc=test"}, "", 0},
		"a filter":                   {nil, "(memberOf=CN=Staff,DC=example,DC=test)", identity.KindServiceAccount},
		"a filter within the domain": {[]string{"DC=example,DC=test"}, "(department=Sales)", identity.KindServiceAccount},
	} {
		d, _ := memberServer(t, new(bench))
		d.bases, d.User = c.base, &User{Filter: c.filter}
		if _, err := logIn(t, d, "alice", "Secr3t-alice"); (err == nil) != (c.want == 0) || err != nil && identity.KindOf(err) != c.want {
			t.Errorf("%s, by a log-in: got %v, want %v", name, err, c.want)
		}
		domain, err := identity.ParseSID("S-1-5-21-1-2-3")
		if err != nil {
			t.Fatal(err)
		}
		ticket := &krb.Ticket{Realm: "EXAMPLE.TEST", Name: []string{"alice"}, Certificate: &certificate{PAC: &pac.PAC{
			Logon: &pac.Logon{Name: "alice", Domain: "EXAMPLE", DomainSID: domain, UserRID: 1104},
		}}}
		if _, err := d.Resolve(t.Context(), d.proveTicket(ticket, byKeytab)); (err == nil) != (c.want == 0) || err != nil && identity.KindOf(err) != c.want {
			t.Errorf("%s, by a ticket: got %v, want %v", name, err, c.want)
		}
	}
}
