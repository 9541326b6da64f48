package caddyldap

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/pac"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// byKeytab is who says so.
var byKeytab = identity.Proof{Verifier: nameKeytab}

// byTicket resolves whom a ticket that the acceptor has taken proves.
func byTicket(t *testing.T, d *Directory, realm string, name ...string) (*identity.Identity, error) {
	t.Helper()
	return d.Resolve(t.Context(), d.proveTicket(&krb.Ticket{Realm: realm, Name: name}, byKeytab))
}

// TestTicketIsSomebody: by the very name in the ticket, in the directory's own
// realm; a password of theirs gives the same identity, and a disabled account none.
func TestTicketIsSomebody(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	unix, _ := open(t, demoDirectory(startDemo(t, func(c *demodir.Config) {
		c.Quirks = demodir.Quirks{NotActive: true, NoTokenGroups: true, NoInChain: true}
	})), "EXAMPLE")
	unix.User = &User{Attribute: "sAMAccountName"}
	unix.dnsDomain = "example.test"
	for _, c := range []struct {
		d     *Directory
		realm string
		name  []string
		want  identity.Kind // KindInternal for success
	}{
		{d, "EXAMPLE.TEST", []string{"alice"}, 0},
		{d, "EXAMPLE.TEST", []string{"ALICE"}, 0},
		{d, "OTHER.TEST", []string{"alice"}, identity.KindRealm},
		{d, "EXAMPLE.TEST", []string{"nobody"}, identity.KindNotFound},
		{d, "EXAMPLE.TEST", []string{"alice", "admin"}, identity.KindNotFound},
		{d, "EXAMPLE.TEST", []string{"*"}, identity.KindNotFound},
		{d, "EXAMPLE.TEST", []string{"al\x00ice"}, identity.KindBadName},
		{d, "EXAMPLE.TEST", []string{"disabled"}, identity.KindDisabled},
		{unix, "EXAMPLE.TEST", []string{"alice"}, 0},
		{unix, "EXAMPLE.TEST", []string{"ALICE"}, identity.KindNotFound},
	} {
		id, err := byTicket(t, c.d, c.realm, c.name...)
		if c.want != 0 && identity.KindOf(err) != c.want || c.want == 0 && (err != nil || id.SAM != "alice" || id.Verifier != nameKeytab) {
			t.Errorf("%v@%s: got %v, %v, want %v", c.name, c.realm, id, err, c.want)
		}
	}
}

// TestTicketsAreLookedUpOnce in the ttl, and not on what a refresh has overtaken.
func TestTicketsAreLookedUpOnce(t *testing.T) {
	config := demoDirectory(startDemo(t, nil))
	d, _ := open(t, config, "EXAMPLE")
	now := time.Now()
	d.now = func() time.Time { return now }
	d.cache.now = d.now
	first, err := byTicket(t, d, "EXAMPLE.TEST", "alice")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := byTicket(t, d, "EXAMPLE.TEST", "alice"); again != first {
		t.Error("looked up again")
	}
	now = now.Add(10 * time.Second)
	newer, err := d.Refresh(t.Context(), first)
	if err != nil || newer == first {
		t.Fatalf("got %v, %v", newer, err)
	}
	if again, _ := byTicket(t, d, "EXAMPLE.TEST", "alice"); again != newer {
		t.Error("the refresh is not used")
	}
	now = now.Add(time.Hour)
	if again, _ := byTicket(t, d, "EXAMPLE.TEST", "alice"); again == first || again == newer {
		t.Error("older than the ttl")
	}
}

// alicePAC is a certificate of a real controller.
func alicePAC(t *testing.T) *pac.PAC {
	t.Helper()
	raw, err := os.ReadFile("../internal/pac/testdata/alice.pac")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := pac.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestCertifiedOfAnotherDomain: with the certificate alone, who is of another realm
// is not somebody of that name here.
func TestCertifiedOfAnotherDomain(t *testing.T) {
	parsed := alicePAC(t)
	for _, dns := range []string{"", "example.test"} {
		config := demoDirectory(startDemo(t, nil))
		config.ServiceAccount, config.DNSDomain = nil, dns
		d, _ := open(t, config, "EXAMPLE")
		for realm, want := range map[string]identity.Kind{"EXAMPLE.TEST": 0, "OTHER.TEST": identity.KindRealm} {
			id, err := d.Resolve(t.Context(), d.proveTicket(&krb.Ticket{Realm: realm, Home: "EXAMPLE.TEST", Name: []string{"alice"}, Certificate: &certificate{PAC: parsed}}, byKeytab))
			if want != 0 && identity.KindOf(err) != want || want == 0 && (err != nil || id.SAM != "alice" || len(id.Groups()) < 5) {
				t.Errorf("%q, %s: got %v, %v, want %v", dns, realm, id, err, want)
			}
		}
	}
}

// TestSIDOfAnotherDomain: threats C-07. The centre of another realm, whose users are
// let in, does not say who has a SID of this domain.
func TestSIDOfAnotherDomain(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	alice, err := byTicket(t, d, "EXAMPLE.TEST", "alice")
	if err != nil {
		t.Fatal(err)
	}
	raw := alice.SID.Bytes()
	parsed := &pac.PAC{Logon: &pac.Logon{DomainSID: alice.SID.Domain(), UserRID: binary.LittleEndian.Uint32(raw[len(raw)-4:])}}
	for _, dns := range []string{"", "example.test", "wrong.test"} {
		config := demoDirectory(startDemo(t, nil))
		config.DNSDomain = dns
		d, _ := open(t, config, "EXAMPLE")
		for realm, want := range map[string]identity.Kind{"EXAMPLE.TEST": 0, "OTHER.TEST": identity.KindRealm} {
			id, err := d.Resolve(t.Context(), d.proveTicket(&krb.Ticket{Realm: realm, Home: "EXAMPLE.TEST", Name: []string{"mallory"}, Certificate: &certificate{PAC: parsed}}, byKeytab))
			if want != 0 && identity.KindOf(err) != want || want == 0 && (err != nil || id.SAM != "alice") {
				t.Errorf("%q, %s: got %v, %v, want %v", dns, realm, id, err, want)
			}
		}
	}
}

// TestNoneOfWhatNobodyReads: a ticket that nobody looks up shows neither roles nor
// attributes, and a rule that keeps out by one may mean this very client.
func TestNoneOfWhatNobodyReads(t *testing.T) {
	parsed := alicePAC(t)
	config := demoDirectory(startDemo(t, nil))
	config.ServiceAccount = nil
	config.Map = &Map{Fallback: []string{"staff"}, Lines: []MapLine{{"department", "Temps", []string{"contractor"}}}}
	d, _ := open(t, config, "EXAMPLE")
	d.wantAttributes([]string{"mail", "department"})
	id, err := d.Resolve(t.Context(), d.proveTicket(&krb.Ticket{Realm: "EXAMPLE.TEST", Home: "EXAMPLE.TEST", Name: []string{"alice"}, Certificate: &certificate{PAC: parsed}}, byKeytab))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		none policy.Rule
		want bool
	}{
		"a role":             {policy.Rule{Role: []string{"contractor"}}, false},
		"the role of others": {policy.Rule{Role: []string{"staff"}}, false},
		"an attribute":       {policy.Rule{Attribute: &policy.Attribute{Name: "department", Value: "Temps"}}, false},
		"another's mail":     {policy.Rule{Attribute: &policy.Attribute{Name: "mail", Value: "x@example.test"}}, false},
		"a name":             {policy.Rule{User: []string{"bob"}}, true},
	} {
		p, err := policy.Compile(policy.Rule{All: []policy.Rule{{ValidUser: true}, {None: []policy.Rule{c.none}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Decide(id, policy.Scope{First: "EXAMPLE"}).Allow; got != c.want {
			t.Errorf("none { %s }: got %v, want %v", name, got, c.want)
		}
	}
	if values, _ := id.Attribute("displayName"); len(values) != 1 || values[0] != id.DisplayName {
		t.Errorf("got %q, want the ticket's %q", values, id.DisplayName)
	}
}

// TestTicketWithoutServiceAccount: nobody can say who that is.
func TestTicketWithoutServiceAccount(t *testing.T) {
	config := demoDirectory(startDemo(t, nil))
	config.ServiceAccount = nil
	d, _ := open(t, config, "EXAMPLE")
	if id, err := byTicket(t, d, "EXAMPLE.TEST", "alice"); identity.KindOf(err) != identity.KindServiceAccount {
		t.Errorf("got %v, %v", id, err)
	}
}
