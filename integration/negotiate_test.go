package integration

import (
	"encoding/asn1"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// negotiating is whoami with schemes.
func negotiating(schemes string) string {
	return strings.Replace(whoami, "insecure_basic", "insecure_basic\n\t\tschemes "+schemes, 1)
}

func bodyOf(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNegotiateByRawNTLM: go-ntlmssp sends NTLM messages under Negotiate with no
// SPNEGO around them (B-14).
func TestNegotiateByRawNTLM(t *testing.T) {
	s := start(t, siteConfig{Body: negotiating("negotiate")})
	for _, base := range []string{s.HTTP, s.HTTPS} {
		request, err := http.NewRequest(http.MethodGet, base+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth(`EXAMPLE\alice`, lab.Account("alice").Password)
		response, err := ntlmClient(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		got := bodyOf(t, response)
		if want := who(t, "alice", "negotiate", "relay"); response.StatusCode != 200 || got != want {
			t.Errorf("%s: got %d %s, want %s; reason %s", base[:5], response.StatusCode, got, want, s.reason(t))
		}
	}
}

// TestNegotiateBySPNEGO: a client that asks for no signing, and one that would
// rather have had Kerberos (B-12, B-14).
func TestNegotiateBySPNEGO(t *testing.T) {
	s := start(t, siteConfig{Body: negotiating("negotiate ntlm basic\n\t\tthrottle off")})
	first, authenticate := messages(t)
	want := who(t, "alice", "negotiate", "relay")
	for name, c := range map[string]struct {
		opening    negTokenInit
		reselected bool
	}{
		"NTLM alone":     {negTokenInit{MechTypes: []asn1.ObjectIdentifier{oidNTLM}, MechToken: first}, false},
		"NTLM first":     {negTokenInit{MechTypes: []asn1.ObjectIdentifier{oidNTLM, oidKerberos}, MechToken: first}, false},
		"Kerberos first": {negTokenInit{MechTypes: []asn1.ObjectIdentifier{oidKerberos, oidNTLM}, MechToken: make([]byte, 40<<10)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, s.HTTP)
			status, _, reply := conn.negotiate(t, c.opening.marshal(t))
			if status != 401 || reply == nil || reply.NegState != acceptIncomplete || !reply.SupportedMech.Equal(oidNTLM) {
				t.Fatalf("got %d %+v, want 401 and NTLM selected; reason %s", status, reply, s.reason(t))
			}
			if c.reselected {
				if reply.ResponseToken != nil {
					t.Error("got a token for a Type 1 that was never sent")
				}
				if status, _, reply = conn.negotiate(t, continuing(t, first)); status != 401 || reply == nil || reply.SupportedMech != nil {
					t.Fatalf("got %d %+v, want 401 and a Type 2", status, reply)
				}
			}
			status, body, reply := conn.negotiate(t, continuing(t, authenticate(reply.ResponseToken)))
			if status != 200 || body != want || reply == nil || reply.NegState != acceptCompleted {
				t.Errorf("got %d %s %+v, want %s; reason %s", status, body, reply, want, s.reason(t))
			}
			again := conn.do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			if got := bodyOf(t, again); got != want || again.Header["Www-Authenticate"] != nil {
				t.Errorf("again: got %s %v, want %s and no token", got, again.Header, want)
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		conn := dial(t, s.HTTP)
		_, _, reply := conn.negotiate(t, negTokenInit{MechTypes: []asn1.ObjectIdentifier{oidNTLM}, MechToken: first}.marshal(t))
		other := append([]byte(nil), reply.ResponseToken...)
		other[24] ^= 0xFF
		if status, _, reply := conn.negotiate(t, continuing(t, authenticate(other))); status != 401 || reply != nil || s.reason(t) != "bad_credentials" {
			t.Errorf("got %d %+v, reason %s, want 401 with no token", status, reply, s.reason(t))
		}
	})
	t.Run("another connection", func(t *testing.T) { // B-15
		a, b := dial(t, s.HTTP), dial(t, s.HTTP)
		opening := negTokenInit{MechTypes: []asn1.ObjectIdentifier{oidNTLM}, MechToken: first}.marshal(t)
		_, _, reply := a.negotiate(t, opening)
		third := continuing(t, authenticate(reply.ResponseToken))
		for range 2 { // with no handshake on it, and with one of its own
			if status, _, reply := b.negotiate(t, third); status != 401 || reply != nil {
				t.Errorf("got %d %+v, want 401 with no token", status, reply)
			}
			b.negotiate(t, opening)
		}
		if status, body, _ := a.negotiate(t, third); status != 200 || body != want {
			t.Errorf("the owner got %d %s", status, body)
		}
	})
	if log := s.logText(t); strings.Contains(log, "TlRMTVNTUAAD") {
		t.Error("a token stands in the log")
	}
}

// TestNegotiateWithKerberosAlone: never a crash, never a token.
func TestNegotiateWithKerberosAlone(t *testing.T) {
	s := start(t, siteConfig{Body: negotiating("negotiate ntlm")})
	opening := negTokenInit{MechTypes: []asn1.ObjectIdentifier{oidKerberos}, MechToken: make([]byte, 60<<10)}
	status, _, reply := dial(t, s.HTTP).negotiate(t, opening.marshal(t))
	if status != 401 || reply != nil || s.reason(t) != "scheme_not_offered" || !strings.Contains(s.hint(t), "no verify keytab") {
		t.Errorf("got %d %+v, reason %s, hint %q", status, reply, s.reason(t), s.hint(t))
	}
}

// TestNegotiateThatAsksForSigning: curl with gss-ntlmssp asks for signing, which
// the controller refuses over TLS: no password is to blame.
func TestNegotiateThatAsksForSigning(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	line := "EXAMPLE:alice:" + lab.Account("alice").Password + "\n"
	if err := os.WriteFile(users, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NTLM_USER_FILE", users)
	t.Setenv("KRB5_CONFIG", os.DevNull)
	s := start(t, siteConfig{Body: negotiating("negotiate ntlm basic")})
	got := curl(t, "--negotiate", "-u", ":", s.HTTP+"/")
	if got.Status != 503 || got.Challenges != nil || !strings.Contains(got.Header, "Retry-After") {
		t.Errorf("got %d %v, want 503 with Retry-After and no challenge", got.Status, got.Challenges)
	}
	if s.reason(t) != "client_signing" || !strings.Contains(s.hint(t), "leave negotiate out of schemes") {
		t.Errorf("reason %s, hint %q, want client_signing and its cure", s.reason(t), s.hint(t))
	}
	// The same client gets in by what the site offers besides.
	got = curl(t, "--ntlm", "-u", "alice:"+lab.Account("alice").Password, s.HTTP+"/")
	if want := who(t, "alice", "ntlm", "relay"); got.Status != 200 || got.Body != want {
		t.Errorf("by NTLM: got %d %s, want %s", got.Status, got.Body, want)
	}
}

// TestChromiumGetsInBesideNegotiate: a browser without tickets chooses NTLM.
func TestChromiumGetsInBesideNegotiate(t *testing.T) {
	s := start(t, siteConfig{Body: negotiating("negotiate ntlm basic")})
	for _, base := range []string{s.HTTP, s.HTTPS} {
		t.Run(base[:5], func(t *testing.T) {
			status, text := visit(t, browser(t, `EXAMPLE\alice`, "Secr3t-alice", prompts(base)), base+"/")
			if want := who(t, "alice", "ntlm", "relay"); status != 200 || text != want {
				t.Errorf("got %d %s, want %s; reason %s", status, text, want, s.reason(t))
			}
		})
	}
}
