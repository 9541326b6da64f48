package integration

import (
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// TestGroupStrategies: nested groups are found without tokenGroups, by the
// in-chain rule, and without that too, by a walk. A proxy hides both from the
// controller.
func TestGroupStrategies(t *testing.T) {
	const inChain = "1.2.840.113556.1.4.1941"
	for name, hide := range map[string][]string{
		"tokenGroups": nil,
		"in-chain":    {"tokenGroups"},
		"walk":        {"tokenGroups", inChain},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, domain.Addr(1)+":636", hide...)
			s := start(t, siteConfig{Servers: r.URL, LDAP: "\t\tbase_dn DC=example,DC=test", Body: `
	windows_auth EXAMPLE {
		insecure_basic
	}
	require group "Nest A" "Primary Team" bulk-300
	respond "{http.auth.user.groups}"
`}, trusting(r.CertFile))
			for sam, want := range map[string]int{"carol": 200, "dave": 200, "many": 200, "alice": 403} {
				got := curl(t, "--basic", "-u", sam+":"+lab.Account(sam).Password, s.HTTP+"/")
				if got.Status != want {
					t.Errorf("%s: got %d %s, want %d; reason %s", sam, got.Status, got.Body, want, s.reason(t))
				}
			}
			if asked := r.has(&r.fromUs, []byte(inChain)) > 0; asked != (hide != nil) {
				t.Errorf("the in-chain rule was asked for: %v", asked)
			}
		})
	}
}

// TestRelayWantsTheControllersWord: by NTLM only the controller's own answer
// says who somebody is. Without one the name in the client's message is nobody.
func TestRelayWantsTheControllersWord(t *testing.T) {
	r := record(t, domain.Addr(1)+":636", "tokenGroups")
	s := start(t, siteConfig{Servers: r.URL, Body: whoami}, trusting(r.CertFile))
	got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/")
	if got.Status != 401 || s.reason(t) != "identity_mismatch" {
		t.Errorf("got %d %s, reason %s, want 401 and identity_mismatch", got.Status, got.Body, s.reason(t))
	}
}

const hrOnly = `
	windows_auth EXAMPLE
	handle /hr {
		require group HR
		respond "hr"
	}
	respond "in"
`

// TestGroupAdditionShows: a denial is never decided on old groups. With a
// service account they are read again; without one the user logs in again.
func TestGroupAdditionShows(t *testing.T) {
	for name, words := range map[string]string{
		"service account":    "\t\tservice_account EXAMPLE\\svc-web Secr3t-svc-web",
		"no service account": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{LDAP: words, Body: hrOnly, Servers: domain.LDAPS(1)})
			c := dial(t, s.HTTP)
			if got := c.logIn(t, "bob"); got != 200 {
				t.Fatalf("got %d, reason %s", got, s.reason(t))
			}
			if got := c.get(t, "/hr"); got != 403 {
				t.Errorf("straight after the log-in: got %d, want 403", got)
			}
			member(t, "addmembers", "HR", "bob")
			time.Sleep(5500 * time.Millisecond) // groups may be five seconds old
			want := 200
			if words == "" {
				want = 401
			}
			if got := c.get(t, "/hr"); got != want {
				t.Errorf("six seconds later: got %d, want %d; reason %s", got, want, s.reason(t))
			}
			if words == "" {
				if got := c.logIn(t, "bob"); got != 200 {
					t.Errorf("logging in again: got %d, want 200", got)
				}
				if got := c.get(t, "/hr"); got != 200 {
					t.Errorf("after that: got %d, want 200", got)
				}
			}
		})
	}
}

func member(t *testing.T, verb, group, sam string) {
	t.Helper()
	membership(t, verb, group, sam)
	t.Cleanup(func() { membership(t, "removemembers", group, sam) })
}

// TestWrongAuthority: threats D-11. Not a byte of the user's leaves for a
// controller whose certificate is not believed, and the self-test says so
// before any user comes.
func TestWrongAuthority(t *testing.T) {
	r := record(t, domain.Addr(1)+":636")
	s := start(t, siteConfig{Servers: r.URL, Body: whoami}) // the lab's authority, not the recorder's
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/")
		if got.Status != 503 || len(got.Challenges) > 0 || s.reason(t) != "tls" {
			t.Errorf("%s: got %d %q, reason %s, want 503, tls", scheme, got.Status, got.Challenges, s.reason(t))
		}
	}
	if sent := r.sent(); sent > 0 {
		t.Errorf("%d bytes left for it", sent)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		for _, e := range s.lines(t, "ldap") {
			if e.text("level") == "error" && e.text("hint") != "" {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the self-test says nothing of the certificate")
		}
	}
}
