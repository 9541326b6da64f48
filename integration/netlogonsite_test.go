package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// netlogonWords are a directory's words for log-ins over the machine account's
// secure channel, and no other verifier.
func netlogonWords() string {
	return "verify netlogon WEB01$ " + lab.Account("WEB01$").Password
}

// told is the line whoami answers with where nobody can look names up.
func told(t *testing.T, sam, scheme string) string {
	t.Helper()
	line := who(t, sam, scheme, "netlogon")
	return line[:strings.LastIndex(line, "|")+1]
}

// TestNetlogonSite: whoever has the right password gets in by each client, with
// nothing but the machine account, while the controllers want signing of everybody
// and take no NTLM over LDAP at all.
func TestNetlogonSite(t *testing.T) {
	strongAuth(t, "yes")
	t.Cleanup(func() { strongAuth(t, "allow_sasl_over_tls") })
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: whoami})
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("EXAMPLE:alice:Secr3t-alice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NTLM_USER_FILE", users)
	t.Setenv("KRB5_CONFIG", os.DevNull)
	for _, c := range []struct {
		name, sam, scheme string
		args              []string
	}{
		{"NTLM", "alice", "ntlm", []string{"--ntlm", "-u", "alice:Secr3t-alice"}},
		{"NTLM with domain", "alice", "ntlm", []string{"--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`}},
		{"NTLM with DNS domain", "alice", "ntlm", []string{"--ntlm", "-u", `example.test\alice:Secr3t-alice`}},
		{"NTLM by UPN", "alice", "ntlm", []string{"--ntlm", "-u", "alice@example.test:Secr3t-alice"}},
		{"NTLM in capitals", "alice", "ntlm", []string{"--ntlm", "-u", `example\ALICE:Secr3t-alice`}},
		{"Basic", "alice", "basic", []string{"--basic", "-u", "alice:Secr3t-alice"}},
		{"Basic with domain", "alice", "basic", []string{"--basic", "-u", `EXAMPLE\alice:Secr3t-alice`}},
		{"Basic by UPN", "alice", "basic", []string{"--basic", "-u", "alice@example.test:Secr3t-alice"}},
		{"Basic, umlauts", "müller", "basic", []string{"--basic", "-u", "müller:" + lab.Account("müller").Password}},
		{"Basic, umlauts in the password", "frank", "basic", []string{"--basic", "-u", "frank:" + lab.Account("frank").Password}},
		{"Negotiate by gss-ntlmssp, which asks for signing", "alice", "negotiate", []string{"--negotiate", "-u", ":"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := curl(t, append(c.args, s.HTTP+"/")...); got.Status != http.StatusOK || got.Body != told(t, c.sam, c.scheme) {
				t.Errorf("got %d %s, want %s; reason %s: %s", got.Status, got.Body, told(t, c.sam, c.scheme), s.reason(t), s.refusal(t).text("error"))
			}
		})
	}
	for name, user := range map[string]string{"alice": `EXAMPLE\alice`, "müller": `EXAMPLE\müller`} {
		for _, base := range []string{s.HTTP, s.HTTPS} {
			request, err := http.NewRequest(http.MethodGet, base+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.SetBasicAuth(user, lab.Account(name).Password)
			response, err := ntlmClient(t).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got := bodyOf(t, response)
			if response.StatusCode != 200 || got != told(t, name, "negotiate") && got != told(t, name, "ntlm") {
				t.Errorf("go-ntlmssp, %s: got %d %s; reason %s", name, response.StatusCode, got, s.reason(t))
			}
		}
	}
	if s.server(t) == "" {
		t.Error("the log names no controller")
	}
}

// TestNetlogonSiteRefusals: each no of the controller's has its reason, and none is
// a technical failure.
func TestNetlogonSiteRefusals(t *testing.T) {
	newUser(t, "protected", "Secr3t-protected")
	membership(t, "addmembers", "Protected Users", "protected")
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: whoami})
	for name, c := range map[string]struct{ user, password, reason string }{
		"wrong":        {`EXAMPLE\alice`, "wrong", "bad_credentials"},
		"unknown":      {`EXAMPLE\nobody`, "wrong", "bad_credentials"},
		"other domain": {`OTHER\alice`, "Secr3t-alice", "bad_credentials"},
		"locked":       {`EXAMPLE\locked`, "Secr3t-locked", "locked"},
		"disabled":     {`EXAMPLE\disabled`, "Secr3t-disabled", "disabled"},
		"expired":      {`EXAMPLE\expired`, "Secr3t-expired", "account_expired"},
		"pwexpired":    {`EXAMPLE\pwexpired`, "Secr3t-pwexpired", "password_expired"},
		"must change":  {`EXAMPLE\mustchange`, "Secr3t-mustchange", "must_change"},
		"hours":        {`EXAMPLE\hours`, "Secr3t-hours", "logon_hours"},
		"workstation":  {`EXAMPLE\elsewhere`, "Secr3t-elsewhere", "workstation"},
		"protected":    {`EXAMPLE\protected`, "Secr3t-protected", "restriction"},
	} {
		for _, scheme := range []string{"--ntlm", "--basic"} {
			got := curl(t, scheme, "-u", c.user+":"+c.password, s.HTTP+"/")
			if got.Status != 401 || s.reason(t) != c.reason {
				t.Errorf("%s, %s: got %d, reason %s %s, want 401, %s", name, scheme, got.Status, s.reason(t), s.refusal(t).text("error"), c.reason)
			}
		}
	}
}

// TestNetlogonSiteMachine: what is wrong with the machine account is no user's
// fault: 503, no password prompt, and the cure in the log.
func TestNetlogonSiteMachine(t *testing.T) {
	for name, c := range map[string]struct{ words, cure string }{
		"wrong password": {"verify netlogon WEB01$ wrong", "the machine account's password is wrong"},
		"unknown":        {"verify netlogon NOBODY$ wrong", "the domain has no machine account NOBODY$"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{LDAP: c.words, Body: whoami})
			for _, scheme := range []string{"--ntlm", "--basic"} {
				began := time.Now()
				got := curl(t, scheme, "-u", `EXAMPLE\alice:Secr3t-alice`, s.HTTP+"/")
				if got.Status != 503 || len(got.Challenges) > 0 || s.reason(t) != "secure_channel" || !strings.Contains(s.hint(t), c.cure) || time.Since(began) > 5*time.Second {
					t.Errorf("%s: got %d, challenges %q, reason %s, hint %q after %v, want 503 and %q", scheme, got.Status, got.Challenges, s.reason(t), s.hint(t), time.Since(began), c.cure)
				}
			}
		})
	}
}
