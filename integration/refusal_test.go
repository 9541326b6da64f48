package integration

import (
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// TestRefusals: each account that may not in, by NTLM and by Basic, with what
// the client is told and what the log says.
func TestRefusals(t *testing.T) {
	s := start(t, siteConfig{Body: unthrottled, LDAP: "\t\tbase_dn OU=Staff,DC=example,DC=test"})
	tests := []struct {
		name, user, password, ntlm, basic string
	}{
		{"wrong password", "alice", "wrong", "bad_credentials", "bad_credentials"},
		{"unknown user", "nobody", "Secr3t-nobody", "bad_credentials", "bad_credentials"},
		{"disabled", "disabled", lab.Account("disabled").Password, "disabled", "disabled"},
		{"expired", "expired", lab.Account("expired").Password, "account_expired", "account_expired"},
		{"locked", "locked", lab.Account("locked").Password, "locked", "locked"},
		{"must change", "mustchange", lab.Account("mustchange").Password, "must_change", "must_change"},
		{"password expired", "pwexpired", lab.Account("pwexpired").Password, "password_expired", "password_expired"},
		{"hours", "hours", lab.Account("hours").Password, "logon_hours", "logon_hours"},
		{"foreign domain text", `OTHER\alice`, "Secr3t-alice", "identity_mismatch", "bad_credentials"},
		{"blank password", "alice", " ", "bad_credentials", "empty_password"},
	}
	for _, test := range tests {
		for scheme, want := range map[string]string{"ntlm": test.ntlm, "basic": test.basic} {
			t.Run(test.name+", "+scheme, func(t *testing.T) {
				got := curl(t, "--"+scheme, "-u", test.user+":"+test.password, s.HTTP+"/")
				if got.Status != 401 || len(got.Challenges) != 2 {
					t.Errorf("got %d %q, want 401 with both schemes", got.Status, got.Challenges)
				}
				if reason := s.reason(t); reason != want {
					t.Errorf("reason: got %s, want %s", reason, want)
				}
			})
		}
	}
	if err := domain.Unlock("alice"); err != nil {
		t.Error(err)
	}
}

// TestOutsideBaseDN: proven, and not an account of this site's.
func TestOutsideBaseDN(t *testing.T) {
	s := start(t, siteConfig{Body: whoami, LDAP: "\t\tbase_dn OU=Staff,DC=example,DC=test"})
	for scheme, want := range map[string]int{"ntlm": 403, "basic": 401} {
		got := curl(t, "--"+scheme, "-u", "outsider:"+lab.Account("outsider").Password, s.HTTP+"/")
		if got.Status != want || s.reason(t) != "not_found" {
			t.Errorf("%s: got %d, reason %s; want %d, not_found", scheme, got.Status, s.reason(t), want)
		}
	}
}

// ntlm sends one request on a connection that stays open and gives the answer's
// status and its NTLM token, if it has one.
func (c *rawClient) ntlm(t *testing.T, message []byte) (status int, token []byte) {
	t.Helper()
	header := ""
	if message != nil {
		header = "Authorization: " + ntlmHeader(message) + "\r\n"
	}
	response := c.do(t, "GET / HTTP/1.1\r\nHost: "+c.host+"\r\n"+header+"\r\n")
	return response.StatusCode, challengeOf(t, response)
}

func ntlmHeader(message []byte) string {
	return "NTLM " + base64.StdEncoding.EncodeToString(message)
}

// challengeOf is the NTLM token of an answer, nil without one.
func challengeOf(t *testing.T, response *http.Response) (token []byte) {
	t.Helper()
	for _, challenge := range response.Header.Values("WWW-Authenticate") {
		if encoded, ok := strings.CutPrefix(challenge, "NTLM "); ok {
			raw, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatalf("challenge %q: %v", challenge, err)
			}
			token = raw
		}
	}
	return token
}

// TestHostileType3: messages that the controller would take, or that only an
// attacker sends.
func TestHostileType3(t *testing.T) {
	s := start(t, siteConfig{Body: unthrottled})
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	good := func(t *testing.T, challenge []byte) []byte {
		message, err := ntlmssp.NewAuthenticateMessage(challenge, `EXAMPLE\alice`, "Secr3t-alice", nil)
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	tests := []struct {
		name, reason string
		make         func(t *testing.T, challenge []byte) []byte
	}{
		{"anonymous", "anonymous", func(_ *testing.T, challenge []byte) []byte { return anonymousType3(challenge) }},
		{"NTLMv1", "ntlmv1_refused", func(_ *testing.T, challenge []byte) []byte { return v1Type3(challenge, "alice", "EXAMPLE") }},
		{"another challenge", "bad_credentials", func(t *testing.T, challenge []byte) []byte {
			other := append([]byte(nil), challenge...)
			other[24] ^= 0xFF
			return good(t, other)
		}},
		{"Type 2 from the client", "state", func(_ *testing.T, challenge []byte) []byte { return challenge }},
		{"cut short", "bad_token", func(t *testing.T, challenge []byte) []byte { return good(t, challenge)[:40] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, s.HTTP)
			_, challenge := c.ntlm(t, negotiate)
			if challenge == nil {
				t.Fatal("no Type 2")
			}
			status, token := c.ntlm(t, test.make(t, challenge))
			if status != 401 || token != nil {
				t.Errorf("got %d, token %x, want 401 and no token", status, token)
			}
			if reason := s.reason(t); reason != test.reason {
				t.Errorf("reason: got %s, want %s", reason, test.reason)
			}
			if status, _ := c.ntlm(t, nil); status != 401 {
				t.Errorf("a request after that: got %d, want 401", status)
			}
		})
	}
	t.Run("replay", func(t *testing.T) {
		a, b := dial(t, s.HTTP), dial(t, s.HTTP)
		_, challenge := a.ntlm(t, negotiate)
		message := good(t, challenge)
		if status, _ := a.ntlm(t, message); status != 200 {
			t.Fatalf("the owner got %d", status)
		}
		if _, challenge := b.ntlm(t, negotiate); challenge == nil {
			t.Fatal("no Type 2 on the second connection")
		}
		if status, _ := b.ntlm(t, message); status != 401 {
			t.Errorf("the same Type 3 on another connection: got %d, want 401", status)
		}
		if status, _ := a.ntlm(t, nil); status != 200 {
			t.Errorf("the owner afterwards: got %d, want 200", status)
		}
	})
}

// rawClient speaks HTTP on one connection, byte for byte.
type rawClient struct {
	conn   net.Conn
	reader *responseReader
	host   string // that it asks for
}

func dial(t *testing.T, base string) *rawClient {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rawClient{conn: conn, reader: newResponseReader(conn), host: "127.0.0.1"}
}

func (c *rawClient) do(t *testing.T, request string) *http.Response {
	t.Helper()
	if err := c.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	return c.reader.next(t)
}
