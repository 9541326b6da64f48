package integration

import (
	"crypto/tls"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// labDirectory is a directory of the lab's first controller, ready to ask.
func labDirectory(t *testing.T, change func(*caddyldap.Directory)) *caddyldap.Directory {
	t.Helper()
	pool, err := json.Marshal(map[string]any{"provider": "file", "pem_files": []string{domain.CA()}})
	if err != nil {
		t.Fatal(err)
	}
	d := &caddyldap.Directory{
		Server: []caddyldap.Server{{URL: domain.LDAPS(1)}}, Domain: domain.Domain, TLS: &caddyldap.TLS{TrustPoolRaw: pool},
	}
	if change != nil {
		change(d)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	app := &caddyldap.App{Directories: map[string]*caddyldap.Directory{domain.Domain: d}, Log: zap.NewNop()}
	t.Cleanup(func() {
		_ = app.Cleanup()
		cancel()
	})
	if err := app.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	return d
}

func lookingUp(sam string) func(*caddyldap.Directory) {
	return func(d *caddyldap.Directory) {
		d.ServiceAccount = &caddyldap.ServiceAccount{Name: domain.Domain + `\` + sam, Secret: lab.Account(sam).Password}
	}
}

func verifying(verifier string) func(*caddyldap.Directory) {
	return func(d *caddyldap.Directory) {
		d.VerifyRaw = append(d.VerifyRaw, json.RawMessage(verifier))
	}
}

// bindsRaw reports whether the controller takes a name in a simple bind.
func bindsRaw(t *testing.T, name, password string) bool {
	t.Helper()
	c, err := ldap.DialURL(domain.LDAPS(1), ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Bind(name, password)
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		t.Fatalf("%q: %v", name, err)
	}
	return err == nil
}

// taken reports whether a controller has found the password right, whatever is made of
// it then: of a DN before a backslash none is asked.
func taken(err error) bool {
	return err == nil || identity.KindOf(err) == identity.KindMismatch && !strings.Contains(err.Error(), "=")
}

func byPassword(t *testing.T, d *caddyldap.Directory, name identity.Name, password string) error {
	t.Helper()
	p, err := d.PasswordVerifier().VerifyPassword(t.Context(), name, identity.NewSecret(password))
	if err != nil {
		return err
	}
	_, err = d.Resolve(t.Context(), p)
	return err
}

func byNTLM(t *testing.T, d *caddyldap.Directory, name identity.Name, password string) error {
	t.Helper()
	client := &ntlm.Client{User: name.User, Domain: name.Domain, Workstation: "DESK", Password: password}
	x, err := d.NTLMVerifier().StartNTLM(t.Context(), client.Negotiate(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Authenticate(x.Challenge())
	if err != nil {
		t.Fatal(err)
	}
	p, err := x.Finish(t.Context(), answer)
	if err != nil {
		return err
	}
	return p.Close()
}

const aliceDN = "CN=Alice Adams,OU=Staff,DC=example,DC=test"

// spellingsOfAlice are names that lead to one account, or might, and whether the
// controller takes them as they stand in a simple bind.
var spellingsOfAlice = []struct {
	typed string
	binds bool
}{
	{`alice`, false},
	{`ALICE`, false},
	{`EXAMPLE\alice`, true},
	{`example\Alice`, true},
	{`EXAMPLE\ alice`, true},
	{`EXAMPLE\alice `, true},
	{`EXAMPLE \alice`, true},
	{` EXAMPLE\alice`, true},
	{`example.test\alice`, false},
	{`EXAMPLE/alice`, false},
	{`OTHER\alice`, false},
	{`.\alice`, false},
	{`\alice`, false},
	{`alice@example.test`, true},
	{`ALICE@EXAMPLE.TEST`, true},
	{` alice@example.test `, true},
	{`alice @example.test`, true},
	{`alice@ example.test`, true},
	{`alice@EXAMPLE`, true},
	{`alice@example`, true},
	{`EXAMPLE\alice@example.test`, false},
	{`OTHER\alice@example.test`, false},
	{`alice@other.example`, false},
	{`Alice Adams`, false},
	{aliceDN, true},
	{`cn=alice adams, ou=staff, dc=EXAMPLE, dc=test`, true},
	{`CN=Alice  Adams,OU=Staff,DC=example,DC=test`, true},
	{`CN=Alice\20Adams,OU=Staff,DC=example,DC=test`, true},
	{`CN=Alice\ Adams,OU=Staff,DC=example,DC=test`, true},
	{`cn="Alice Adams",ou=Staff,dc=example,dc=test`, true},
	{`2.5.4.3=Alice Adams,OU=Staff,DC=example,DC=test`, false},
	{`example.test/Staff/Alice Adams`, true},
	{`EXAMPLE.TEST/staff/alice adams`, true},
	{`example.test/Staff/Alice  Adams`, true},
	{`{SID}`, true},
	{`<SID={SID}>`, true},
	{`<SID={SID}>;CN=x@y,DC=z`, true},
	{`<SID={SID}>;CN=anybody\, at all,DC=z`, true},
	{`EXAMPLE\alice$`, false},
	{`EXAMPLE\älice`, false},
	{`EXAMPLE\ＡＬＩＣＥ`, false},
	{`EXAMPLE\alıce`, false},
	{`alice＠example.test`, false},
	{"EXAMPLE\\ali\u00adce", false},
	{"EXAMPLE\\alice\u00a0", false},
}

// TestSpellingsAreOneAccount: threats D-03, F-10. Each spelling that a controller takes,
// by simple bind, by NTLM over LDAP or over Netlogon, is counted as the one account; with a
// service account, and without one after a log-in has taught.
func TestSpellingsAreOneAccount(t *testing.T) {
	alice := lab.Account("alice")
	asked, alone := labDirectory(t, lookingUp("svc-web")), labDirectory(t, nil)
	channel := labDirectory(t, verifying(`{"verifier": "netlogon", "account": "WEB01$", "secret": "`+lab.Account("WEB01$").Password+`"}`))
	sid := sidOfAccount(t, alone, alice)
	takenBy := map[string]int{}
	for _, c := range spellingsOfAlice {
		typed := strings.ReplaceAll(c.typed, "{SID}", sid)
		name := identity.ParseName(typed)
		if got := bindsRaw(t, typed, alice.Password); got != c.binds {
			t.Errorf("%q: a simple bind: got %v, want %v", typed, got, c.binds)
		}
		ways := map[string]bool{
			"basic": taken(byPassword(t, asked, name, alice.Password)), "alone": taken(byPassword(t, alone, name, alice.Password)),
			"relay": taken(byNTLM(t, alone, name, alice.Password)), "netlogon": taken(byNTLM(t, channel, name, alice.Password)),
		}
		reaches := false
		for way, ok := range ways {
			if ok {
				takenBy[way]++
				reaches = true
			}
		}
		t.Logf("%-60q bind %-5v %v", typed, c.binds, ways)
		if got := asked.FindAccount(t.Context(), name).Account; (c.binds || reaches) && got != sid {
			t.Errorf("%q, with a service account: got %s, want %s", typed, got, sid)
		}
		if got := alone.FindAccount(t.Context(), name).Account; reaches && got != sid {
			t.Errorf("%q, after a log-in: got %s, want %s", typed, got, sid)
		}
	}
	for way, least := range map[string]int{"basic": 12, "alone": 12, "relay": 10, "netlogon": 6} {
		if takenBy[way] < least {
			t.Errorf("%s: %d spellings are taken, want %d at least", way, takenBy[way], least)
		}
	}
}

// sidOfAccount logs somebody in, which teaches a directory without a service account.
func sidOfAccount(t *testing.T, d *caddyldap.Directory, account lab.User) string {
	t.Helper()
	p, err := d.PasswordVerifier().VerifyPassword(t.Context(), identity.ParseName(account.Sam), identity.NewSecret(account.Password))
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.Resolve(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return id.AccountKey()
}

// TestSpellingsAtSlapd: where there are no SIDs the entry's UUID is the account, by every
// form of bind_as, also of a name that two have: nobody is asked there.
func TestSpellingsAtSlapd(t *testing.T) {
	server := openLDAP(t)
	dn := "uid=anna,ou=people," + slapd.Base
	for name, c := range map[string]struct {
		change func(*caddyldap.Directory)
		names  []string
	}{
		"search":   {func(*caddyldap.Directory) {}, []string{"anna", "ANNA", `EXAMPLE\anna`, " anna "}},
		"absolute": {func(d *caddyldap.Directory) { d.BindAs = &caddyldap.BindAs{Form: "absolute"} }, []string{dn, "UID=Anna, ou=people," + slapd.Base}},
		"template": {func(d *caddyldap.Directory) {
			d.BindAs = &caddyldap.BindAs{Form: "template", Template: "uid={user},ou=people," + slapd.Base}
		}, []string{"anna", "ANNA", `EXAMPLE\anna`}},
	} {
		d := labDirectory(t, func(d *caddyldap.Directory) {
			d.Server, d.TLS = []caddyldap.Server{{URL: server.LDAPS}}, &caddyldap.TLS{InsecureSkipVerify: true}
			d.BaseDN = []string{"ou=people," + slapd.Base}
			d.ServiceAccount = &caddyldap.ServiceAccount{Name: slapd.Service, Secret: slapd.ServicePassword}
			d.VerifyRaw = []json.RawMessage{json.RawMessage(`{"verifier": "bind"}`)}
			c.change(d)
		})
		want := sidOfAccount(t, d, lab.User{Sam: c.names[0], Password: "Secr3t-anna"})
		if len(want) != 36 {
			t.Errorf("%s: got %q, want a UUID", name, want)
		}
		for _, typed := range c.names {
			got := d.FindAccount(t.Context(), identity.ParseName(typed))
			if got.Account != want || got.Threshold != 0 {
				t.Errorf("%s, %q: got %v, want %s", name, typed, got, want)
			}
		}
		for _, other := range []string{"nobody", "twin", "ben"} {
			if got := d.FindAccount(t.Context(), identity.ParseName(other)).Account; got == want {
				t.Errorf("%s, %q: got anna's account", name, other)
			}
		}
	}
}
