package integration

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestSeveralTicketsOfCurl: curl over MIT's library sends several requests on one
// connection, on HTTP/2 and through a proxy that shares it, where each needs a ticket
// of its own.
func TestSeveralTicketsOfCurl(t *testing.T) {
	r := startMIT(t, "anna")
	s, url := unix(t, r, "")
	through := strings.Replace(nginx(t, s.HTTP, keepsConnections, "proxy_set_header X-Forwarded-For $remote_addr;"), "127.0.0.1", "localhost", 1)
	for name, c := range map[string][]string{
		"HTTP/1.1":      {"--http1.1", strings.TrimSuffix(url, "/")},
		"HTTP/2":        {"--http2", s.HTTPS},
		"through nginx": {"--http1.1", through},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"-s", "-k", "--max-time", "20", "--negotiate", "-u", ":", "-w", " %{http_code} %{num_connects}\n", c[0]}, c[2:]...)
			for _, path := range []string{"/a", "/b", "/c"} {
				args = append(args, c[1]+path)
			}
			curl := exec.Command("curl", args...)
			curl.Env = r.tickets(t, "anna", "")
			out, err := curl.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			for i, line := range lines {
				if !strings.HasPrefix(line, "anna|uid=anna,ou=people,"+slapd.Base+"|") || !strings.HasSuffix(line, map[bool]string{true: " 200 1", false: " 200 0"}[i == 0]) {
					t.Errorf("got %s, reason %s, want anna, 200, and one connection for all", line, s.reason(t))
				}
			}
			if len(lines) != 3 {
				t.Errorf("got %d answers, want 3", len(lines))
			}
		})
	}
}

// TestDisabledAfterTheTicket: threats C-12. A ticket lives for hours; an account that
// was disabled meanwhile is refused with the next one that is looked up.
func TestDisabledAfterTheTicket(t *testing.T) {
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: kerberosWords("cache {\nttl 1s\n}"), Body: whoami})
	url, env := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1)+"/", ticketsOf(t, "bob", "")
	if got := sendToken(t, url, tokenOf(t, env)); got.StatusCode != 200 {
		t.Fatalf("before: got %d, reason %s", got.StatusCode, s.reason(t))
	}
	do(t, "disabling the account", func() error { return domain.SambaTool(1, "user", "disable", "bob") })
	t.Cleanup(func() {
		for dc := range 2 { // the other has heard of it, or is about to
			do(t, "enabling the account", func() error { return domain.SambaTool(dc+1, "user", "enable", "bob") })
		}
	})
	time.Sleep(time.Second)                   // the ttl
	got := sendToken(t, url, tokenOf(t, env)) // of the same ticket
	if got.StatusCode != 401 || s.reason(t) != "disabled" || got.Header.Get("WWW-Authenticate") != "Negotiate" {
		t.Errorf("afterwards: got %d %q, reason %s, want 401 and disabled", got.StatusCode, got.Header.Values("WWW-Authenticate"), s.reason(t))
	}
}

// TestTicketWhileTheDirectoryIsDown: threats E-01. A ticket proves somebody whom
// nobody can look up: 503 and no challenge, until the directory is back. Who was
// looked up before comes in.
func TestTicketWhileTheDirectoryIsDown(t *testing.T) {
	server := openLDAP(t)
	s := forgedSite(t, server, forgedKeytab(t), "")
	s.wantForged(t, present(t, s.HTTP+"/", forge("anna").Token(t)), forgery{status: 200})
	do(t, "killing slapd", server.Kill)
	got := present(t, s.HTTP+"/", forge("paul").Token(t))
	if got.StatusCode != 503 || got.Header.Get("WWW-Authenticate") != "" || got.Header.Get("Retry-After") == "" {
		t.Errorf("down: got %d %v, reason %s, want 503", got.StatusCode, got.Header, s.reason(t))
	}
	s.wantForged(t, present(t, s.HTTP+"/", forge("anna").Token(t)), forgery{status: 200})
	do(t, "starting slapd", server.Restart)
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		got := present(t, s.HTTP+"/", forge("paul").Token(t))
		if got.StatusCode == 200 {
			break
		}
		if got.StatusCode != 503 || time.Since(began) > 10*time.Second {
			t.Fatalf("back: got %d, reason %s", got.StatusCode, s.reason(t))
		}
	}
}
