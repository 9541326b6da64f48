package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// retiring is a site of all schemes, with more words for the door.
func retiring(words string) siteConfig {
	return siteConfig{
		LDAP: servedBy(netlogonWords(), "verify keytab "+domain.HTTPKeytab()),
		Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n" + words + "\n\t}\n" + whoami[strings.Index(whoami, "\trespond"):],
	}
}

// servedBy are a directory's words for verifiers and for looking people up.
func servedBy(verifiers ...string) string {
	return strings.Join(verifiers, "\n") + "\nservice_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password
}

// withoutTickets lets curl's gss-ntlmssp be alice, who has no tickets.
func withoutTickets(t *testing.T) []string {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("EXAMPLE:alice:Secr3t-alice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "NTLM_USER_FILE="+users, "KRB5_CONFIG="+os.DevNull)
}

// TestNTLMIsReported: ntlm warn lets real clients in, and each log-in by NTLM is a
// line that says by whom, how, and why it was no ticket. A ticket or a password is
// none.
func TestNTLMIsReported(t *testing.T) {
	none := withoutTickets(t)
	byNTLM := func(t *testing.T, base string) (int, string) {
		got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", base+"/")
		return got.Status, got.Body
	}
	byGSS := func(t *testing.T, base string) (int, string) {
		status, body, _ := curlWith(t, none, "--http1.1", base+"/")
		return status, body
	}
	for name, c := range map[string]struct {
		words, ldap, reason, scheme, offered, agent string
		http                                        bool
		login                                       func(*testing.T, string) (int, string)
	}{
		"curl --ntlm":             {reason: "chosen", scheme: "ntlm", offered: "the scheme NTLM", agent: "curl/", login: byNTLM},
		"curl --ntlm, an address": {http: true, reason: "ip_address", scheme: "ntlm", offered: "the scheme NTLM", agent: "curl/", login: byNTLM},
		"gss-ntlmssp":             {reason: "no_ticket", scheme: "negotiate", offered: "Negotiate, SPNEGO with NTLMSSP", agent: "curl/", login: byGSS},
		"gss-ntlmssp, another name": {
			ldap:   servedBy(netlogonWords(), "verify keytab "+domain.HTTPKeytab()+" {\n\tspn HTTP/www.example.test\n}"),
			reason: "unknown_name", scheme: "negotiate", offered: "Negotiate, SPNEGO with NTLMSSP", agent: "curl/", login: byGSS,
		},
		"gss-ntlmssp, no keytab":   {ldap: servedBy(netlogonWords()), reason: "no_keytab", scheme: "negotiate", offered: "Negotiate, SPNEGO with NTLMSSP", agent: "curl/", login: byGSS},
		"curl --ntlm, not offered": {words: "schemes ntlm basic", reason: "not_offered", scheme: "ntlm", offered: "the scheme NTLM", agent: "curl/", login: byNTLM},
		"Chromium": {reason: "chosen", scheme: "ntlm", offered: "the scheme NTLM", agent: "HeadlessChrome/", login: func(t *testing.T, base string) (int, string) {
			status, body := visit(t, browser(t, `EXAMPLE\alice`, "Secr3t-alice", prompts(base)), base+"/")
			return int(status), body
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config := retiring("ntlm warn\n" + c.words)
			if c.ldap != "" {
				config.LDAP = c.ldap
			}
			s := start(t, config)
			base := s.HTTPS
			if c.http {
				base = s.HTTP
			}
			for range 2 {
				if status, body := c.login(t, base); status != 200 || !strings.HasPrefix(body, `alice|EXAMPLE\alice|`+c.scheme+"|") {
					t.Fatalf("got %d %s, want alice; reason %s", status, body, s.reason(t))
				}
			}
			var lines []entry
			for _, line := range s.decisions(t) {
				if line.text("msg") == "use of NTLM" {
					lines = append(lines, line)
				}
			}
			if len(lines) != 1 {
				t.Fatalf("got %d lines, want 1 in a minute: %v", len(lines), lines)
			}
			for field, want := range map[string]string{
				"level": "warn", "event": "allow", "reason": c.reason, "scheme": c.scheme, "offered": c.offered, "user": `EXAMPLE\alice`,
				"version": "NTLMv2", "remote_ip": "127.0.0.1",
			} {
				if got := lines[0].text(field); got != want {
					t.Errorf("got %s = %q, want %q", field, got, want)
				}
			}
			for _, field := range []string{"why_not_kerberos", "hint", "workstation"} {
				if lines[0].text(field) == "" {
					t.Errorf("got no %s in %v", field, lines[0])
				}
			}
			if got := lines[0].text("user_agent"); !strings.Contains(got, c.agent) {
				t.Errorf("got user_agent %q, want %s", got, c.agent)
			}
		})
	}
	s := start(t, retiring("ntlm warn"))
	if status, body, _ := curlWith(t, ticketsOf(t, "alice", ""), s.HTTPS+"/"); status != 200 || body != who(t, "alice", "negotiate", "keytab") {
		t.Errorf("a ticket: got %d %s, reason %s", status, body, s.reason(t))
	}
	if got := curl(t, "-u", "alice:Secr3t-alice", s.HTTPS+"/"); got.Status != 200 {
		t.Errorf("a password: got %d, reason %s", got.Status, s.reason(t))
	}
	if text := s.logText(t); strings.Contains(text, "use of NTLM") {
		t.Errorf("a ticket and a password are told as NTLM:\n%s", text)
	}
}

// TestNTLMIsRefused: ntlm refuse offers NTLM to nobody, turns those away that come by
// it, and lets tickets and passwords in.
func TestNTLMIsRefused(t *testing.T) {
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	config := retiring("ntlm refuse")
	config.Admin = admin
	s := start(t, config)
	remains := `Negotiate|Basic realm="localhost", charset="UTF-8"`
	if got := curl(t, s.HTTPS+"/"); got.Status != 401 || strings.Join(got.Challenges, "|") != remains {
		t.Errorf("got %d %q, want 401 %s", got.Status, got.Challenges, remains)
	}
	refused := func(what string, status int, challenges string) {
		t.Helper()
		line := s.refusal(t)
		if status != 401 || s.reason(t) != "ntlm_refused" || s.hint(t) == "" || line.text("error") == "" || challenges != "" && challenges != remains {
			t.Errorf("%s: got %d %s, %v, want 401, ntlm_refused and a hint", what, status, challenges, line)
		}
	}
	got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTPS+"/")
	refused("curl --ntlm", got.Status, strings.Join(got.Challenges, "|"))
	if line := s.refusal(t); line.text("level") != "warn" {
		t.Errorf("got level %s for the first, want warn", line.text("level"))
	}
	status, _, _ := curlWith(t, withoutTickets(t), s.HTTPS+"/")
	refused("gss-ntlmssp", status, "")
	if status, body, _ := curlWith(t, ticketsOf(t, "alice", ""), s.HTTPS+"/"); status != 200 || body != who(t, "alice", "negotiate", "keytab") {
		t.Errorf("a ticket: got %d %s, reason %s", status, body, s.reason(t))
	}
	if got := curl(t, "-u", "alice:Secr3t-alice", s.HTTPS+"/"); got.Status != 200 {
		t.Errorf("a password: got %d, reason %s", got.Status, s.reason(t))
	}
	t.Run("Chromium with a password", func(t *testing.T) {
		status, text := visit(t, browser(t, `EXAMPLE\alice`, "Secr3t-alice", 3), s.HTTPS+"/")
		if !strings.HasPrefix(text, `alice|EXAMPLE\alice|basic|`) {
			t.Errorf("got %d %s, want alice by Basic; reason %s", status, text, s.reason(t))
		}
	})
	t.Run("Chromium with a ticket", func(t *testing.T) {
		status, text := visit(t, ticketBrowser(t, ticketsOf(t, "alice", "")), s.HTTPS+"/")
		if want := who(t, "alice", "negotiate", "keytab"); text != want {
			t.Errorf("got %d %s, want %s; reason %s", status, text, want, s.reason(t))
		}
	})
	counted := 0.0
	for name, value := range figures(t, admin) {
		if strings.HasPrefix(name, "decisions_total{") && strings.Contains(name, `reason="ntlm_refused"`) {
			counted += value
		}
		if strings.HasPrefix(name, "ntlm_logins_total") && value > 0 {
			t.Errorf("got %s %v: nobody came in by NTLM", name, value)
		}
	}
	if counted < 2 {
		t.Errorf("got %v refusals counted, want two at least", counted)
	}
}

// TestNTLMIsRefusedElsewhere: who has logged in by NTLM in one part of a site is
// nobody in another that refuses it, on the very connection, and goes on in the first.
func TestNTLMIsRefusedElsewhere(t *testing.T) {
	s := start(t, siteConfig{LDAP: servedBy(netlogonWords(), "verify keytab "+domain.HTTPKeytab()), Body: `
	handle /strict* {
		windows_auth EXAMPLE {
			ntlm refuse
		}
		respond "{http.auth.user.id} by {http.auth.user.scheme}"
	}
	handle {
		windows_auth EXAMPLE
		respond "{http.auth.user.id} by {http.auth.user.scheme}"
	}
`})
	out := filepath.Join(t.TempDir(), "out")
	ask := func(args ...string) (statuses, connections string) {
		t.Helper()
		all := append([]string{"-sk", "--max-time", "20", "--http1.1", "-o", out + "#1", "-w", "%{http_code} %{num_connects}\n"}, args...)
		text, err := exec.Command("curl", all...).Output()
		if err != nil {
			t.Fatalf("curl %v: %v", all, err)
		}
		for line := range strings.Lines(string(text)) {
			status, connected, _ := strings.Cut(strings.TrimSpace(line), " ")
			statuses, connections = statuses+status+" ", connections+connected+" "
		}
		return statuses, connections
	}
	pages := s.HTTPS + "/{one,strict,two}"
	statuses, connections := ask("--ntlm", "-u", "alice:Secr3t-alice", pages)
	if statuses != "200 401 200 " || connections != "1 0 0 " {
		t.Errorf("got %s over %s new connections, want 200 401 200 over the first", statuses, connections)
	}
	if s.refusalOf(t, "ntlm_refused") == nil {
		t.Error("the log does not say why")
	}
	for _, page := range []string{"one", "two"} {
		if got := read(t, out+page); got != "alice by ntlm" {
			t.Errorf("%s: got %q, want alice by ntlm", page, got)
		}
	}
}

// refusalOf is a line of the door with a reason, nil without one.
func (s *site) refusalOf(t *testing.T, reason string) entry {
	t.Helper()
	for _, line := range s.decisions(t) {
		if line.text("reason") == reason {
			return line
		}
	}
	return nil
}
