package caddyldap

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// examined lists what an examination says, each with its level and its cure.
func examined(t *testing.T, d *Directory) string {
	t.Helper()
	var lines []string
	d.Examine(t.Context(), make(Refusals), nil, func(server string) { lines = append(lines, "at "+server) }, func(o Observation) {
		word := map[Level]string{Well: "well", Notable: "note", Unclear: "unclear", Faulty: "fault"}[o.Level]
		lines = append(lines, word+" "+o.About+": "+o.Text+" | "+o.Hint)
	})
	return strings.Join(lines, "\n")
}

// TestExamine: each thing that will not work is told, with its cure, and nothing
// else is called faulty.
func TestExamine(t *testing.T) {
	ca := func(s *demodir.Server) *TLS {
		path := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(path, s.CAPEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		pool, _ := json.Marshal(map[string]any{"provider": "file", "pem_files": []string{path}})
		return &TLS{TrustPoolRaw: pool}
	}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := dead.Addr().String()
	dead.Close()
	for name, c := range map[string]struct {
		server func(*demodir.Config)
		change func(*Directory, *demodir.Server)
		later  time.Duration // this machine's clock
		want   []string
		faults int
	}{
		"well": {nil, func(d *Directory, s *demodir.Server) { d.TLS = ca(s) }, 0, []string{
			"well tcp: ", "well tls: TLS 1.3, certificate for ", "believed by ", "well clock: the same as here", "well rootdse: Active Directory",
			`well service: EXAMPLE\svc-web binds`, "well base_dn: ", "well ntlm: the relay works", "well basic: verify bind, works at", "well ntlm: verify relay, works at",
		}, 0},
		"unknown authority": {nil, func(d *Directory, _ *demodir.Server) { d.TLS = &TLS{} }, 0, []string{
			"fault tls: ", "trust_pool file", "note tls: it shows a certificate for", "signed by", "fault basic: verify bind, will not work at",
		}, 3},
		"another name": {nil, func(d *Directory, s *demodir.Server) { d.TLS = ca(s); d.TLS.ServerName = "dc9.example.test" }, 0, []string{"fault tls: ", "not for dc9.example.test"}, 3},
		"expires soon": {nil, func(d *Directory, s *demodir.Server) { d.TLS = &TLS{InsecureSkipVerify: true} }, (365 - 10) * 24 * time.Hour, []string{"note tls: ", "good for 9 days", "believed unseen", "renew the certificate", "note words: insecure_skip_verify"}, 0},
		"clock":        {nil, nil, 10 * time.Minute, []string{"note clock: the server's clock is -10m", "NTP"}, 0},
		"clock, with Kerberos": {nil, func(d *Directory, _ *demodir.Server) { d.ServiceAccount.Mechanism = accountKerberos }, 10 * time.Minute, []string{
			"fault clock: ", "fault service: ", "KDC",
		}, 2},
		"clock, with netlogon": {nil, func(d *Directory, _ *demodir.Server) {
			d.VerifyRaw = []json.RawMessage{json.RawMessage(`{"verifier": "netlogon", "account": "WEB05$", "secret": "Secr3t-web05"}`)}
		}, 40 * time.Hour, []string{
			"fault clock: the server's clock is -40h0m0s", "in each challenge of verify netlogon", "fault netlogon: 127.0.0.1:135", "port 135", "well service: ",
			"unclear machine: WEB05$ is not to be seen", "fault basic: verify netlogon, will not work", "fault ntlm: verify netlogon, will not work",
		}, 4},
		"dead": {nil, func(d *Directory, _ *demodir.Server) { d.Server = append(d.Server, Server{URL: "ldaps://" + nowhere}) }, 0, []string{
			"fault tcp: ", "nothing listens on", "note basic: verify bind, works at ", "will not work at " + nowhere,
		}, 1},
		"no such name": {nil, func(d *Directory, _ *demodir.Server) { d.Server = []Server{{URL: "ldaps://dc1.invalid"}} }, 0, []string{"fault name: ", "dc1.invalid does not resolve"}, 3},
		"wrong secret": {nil, func(d *Directory, s *demodir.Server) {
			d.ServiceAccount.Secret = "wrong"
			d.Server = append(d.Server, Server{URL: strings.Replace(s.LDAPS(), "127.0.0.1", "localhost", 1)})
		}, 0, []string{"fault service: ", "check name and secret of service_account", "unclear service: not tried here", "unclear ntlm: verify relay, was not tried at"}, 1},
		"disabled account": {nil, func(d *Directory, _ *demodir.Server) {
			*d.ServiceAccount = ServiceAccount{Name: "disabled", Secret: "Secr3t-disabled"}
		}, 0, []string{"fault service: ", "the account is disabled"}, 1},
		"no account": {nil, func(d *Directory, _ *demodir.Server) { d.ServiceAccount = nil }, 0, []string{"unclear service: no service_account", "unclear ntlm: "}, 0},
		"account by DN": {nil, func(d *Directory, _ *demodir.Server) {
			d.ServiceAccount.Name = "CN=Web Service,OU=Staff,DC=example,DC=test"
		}, 0, []string{"well service: ", "unclear ntlm: not tried"}, 0},
		"base of nobody":        {nil, func(d *Directory, _ *demodir.Server) { d.BaseDN = []string{"OU=Lost,DC=example,DC=test"} }, 0, []string{"fault base_dn: ", "mend base_dn"}, 1},
		"filter of nobody":      {nil, func(d *Directory, _ *demodir.Server) { d.User = &User{Filter: "(mail=x)"} }, 0, []string{"fault rights: no account"}, 1},
		"another domain":        {nil, func(d *Directory, _ *demodir.Server) { d.Domain = "OTHER" }, 0, []string{"fault domain: the domain's NetBIOS name is EXAMPLE", "write domain EXAMPLE"}, 1},
		"signing wanted":        {func(c *demodir.Config) { c.SigningRequired = true }, nil, 0, []string{"fault ntlm: ", "signing_required", "fault ntlm: verify relay, will not work at", "well basic: "}, 2},
		"bindings always":       {func(c *demodir.Config) { c.Bindings = true }, nil, 0, []string{"fault ntlm: ", "channel_binding", "LdapEnforceChannelBinding"}, 2},
		"bindings compared":     {func(c *demodir.Config) { c.SentBindings = true }, nil, 0, []string{"fault ntlm: the controller compares channel bindings", "schemes basic"}, 1},
		"locks at once":         {func(c *demodir.Config) { c.LockoutThreshold = 1 }, nil, 0, []string{"note lockout: 1 wrong password locks an account | ", "each guess locks", "raise the account lockout threshold"}, 0},
		"locks soon":            {func(c *demodir.Config) { c.LockoutThreshold = 2 }, nil, 0, []string{"note lockout: 2 wrong passwords lock an account | ", "no try is kept for its owner", "raise the account lockout threshold"}, 0},
		"no tokenGroups":        {func(c *demodir.Config) { c.NoTokenGroups = true }, nil, 0, []string{"note rights: the service account may not read tokenGroups", "Windows Authorization Access Group"}, 0},
		"no TLS":                {func(c *demodir.Config) { c.AllowPlain = true }, func(d *Directory, s *demodir.Server) { d.Server, d.InsecurePlaintext = []Server{{URL: s.LDAP()}}, true }, 0, []string{"note tls: no TLS", "note words: insecure_plaintext"}, 0},
		"plain and refused":     {nil, func(d *Directory, s *demodir.Server) { d.Server, d.InsecurePlaintext = []Server{{URL: s.LDAP()}}, true }, 0, []string{"fault service: ", "write ldaps:// or starttls", "fault basic: verify bind, will not work"}, 3},
		"plain, refused to all": {nil, plainOnly, 0, []string{"fault bind: ", "signing_required", "write ldaps:// or starttls", "fault basic: verify bind, will not work", "fault ntlm: verify relay, will not work"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := startDemo(t, c.server)
			configured := demoDirectory(s)
			if c.change != nil {
				c.change(configured, s)
			}
			d, _ := open(t, configured, "EXAMPLE")
			d.now = func() time.Time { return time.Now().Add(c.later) }
			got := examined(t, d)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("got\n%s\nwant %q in it", got, want)
				}
			}
			if n := strings.Count("\n"+got, "\nfault "); n != c.faults {
				t.Errorf("got %d faults, want %d:\n%s", n, c.faults, got)
			}
			if strings.Contains(got, "Secr3t-") {
				t.Errorf("a password shows:\n%s", got)
			}
		})
	}
}

// TestExamineEnds: a server that takes connections and says nothing holds nobody
// up for long.
func TestExamineEnds(t *testing.T) {
	s := startDemo(t, nil)
	configured := demoDirectory(s)
	configured.Server = []Server{{URL: hostile(t, nil)}}
	configured.InsecurePlaintext = true
	d, _ := open(t, configured, "EXAMPLE")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	d.Examine(ctx, make(Refusals), nil, func(string) {}, func(Observation) {})
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
