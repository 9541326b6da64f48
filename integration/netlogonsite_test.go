package integration

import (
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
	getsIn(t, s, func(sam, scheme string) string { return told(t, sam, scheme) })
	if s.server(t) == "" {
		t.Error("the log names no controller")
	}
}

// TestNetlogonSiteRefusals: each no of the controller's has its reason, and none is
// a technical failure.
func TestNetlogonSiteRefusals(t *testing.T) {
	rows := noes(t)
	rows["other domain"] = saysNo{`OTHER\alice`, "Secr3t-alice", "bad_credentials"}
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: unthrottled})
	for name, c := range rows {
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
