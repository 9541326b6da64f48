package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// TestPendingHandshakesEnd: features A32, threats A-24 and B-03. A handshake that
// has the controller's Type 2 and no Type 3 yet holds a connection to the
// controller, until its time is up; beyond max_pending new ones are refused, and
// whoever is logged in, or needs no handshake, is not.
func TestPendingHandshakesEnd(t *testing.T) {
	const timeout = 2 * time.Second
	controller := domain.Addr(1) + ":636"
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1),
		Body:    "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\thandshake_timeout " + timeout.String() + "\n\t\tmax_pending 2\n\t}\n\trespond \"{http.auth.user.sam}\"\n",
	})
	s.awaitLine(t, "self-test")
	awaitSockets(t, controller, 0, 5*time.Second)
	negotiate, authenticate := messages(t)
	member := dial(t, s.HTTP)
	if got := member.logIn(t, "bob"); got != 200 {
		t.Fatalf("bob: got %d, reason %s", got, s.reason(t))
	}
	awaitSockets(t, controller, 0, 5*time.Second)

	var pending [2]*rawClient
	var challenges [2][]byte
	begun := time.Now()
	for i := range pending {
		pending[i] = dial(t, s.HTTP)
		var status int
		if status, challenges[i] = pending[i].ntlm(t, negotiate); status != 401 || challenges[i] == nil {
			t.Fatalf("handshake %d: got %d, reason %s, want a Type 2", i+1, status, s.reason(t))
		}
	}
	if got := socketsTo(t, controller); got != len(pending) {
		t.Errorf("half open: got %d connections to the controller, want %d", got, len(pending))
	}
	third := dial(t, s.HTTP).do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: "+ntlmHeader(negotiate)+"\r\n\r\n")
	if third.StatusCode != 503 || third.Header.Get("Retry-After") == "" || len(third.Header.Values("WWW-Authenticate")) > 0 || s.reason(t) != "too_many_pending" {
		t.Errorf("one more: got %d %v, reason %s, want 503 with Retry-After and no challenge", third.StatusCode, third.Header, s.reason(t))
	}
	if got := socketsTo(t, controller); got != len(pending) {
		t.Errorf("after the refusal: got %d connections to the controller, want %d", got, len(pending))
	}
	if got := member.get(t, "/"); got != 200 {
		t.Errorf("who is logged in: got %d, want 200", got)
	}
	if got := curl(t, "--basic", "-u", "alice:"+lab.Account("alice").Password, s.HTTP+"/"); got.Status != 200 {
		t.Errorf("a password: got %d, reason %s, want 200", got.Status, s.reason(t))
	}

	awaitSockets(t, controller, 1, timeout+3*time.Second) // the password's is kept for the next one
	if took := time.Since(begun); took < timeout {
		t.Errorf("the controller's connections ended after %v, want %v at least", took, timeout)
	}
	if status, token := pending[0].ntlm(t, authenticate(challenges[0])); status != 401 || token != nil || s.reason(t) != "handshake_timeout" {
		t.Errorf("its Type 3 now: got %d, reason %s, want 401 and handshake_timeout", status, s.reason(t))
	}
	for i, c := range pending {
		if got := c.logIn(t, "alice"); got != 200 {
			t.Errorf("connection %d from the start: got %d, reason %s, want 200", i+1, got, s.reason(t))
		}
	}
}

// TestFirstAnswerMayClose: features A33. The 401 that offers NTLM may end its
// connection, and so may the client; the one with the challenge stays open, and
// where the client says that it cannot none is given.
func TestFirstAnswerMayClose(t *testing.T) {
	s := start(t, siteConfig{Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t}\n\trespond \"{http.auth.user.sam}\"\n"})
	negotiate, authenticate := messages(t)
	ask := func(c *rawClient, fields string) *http.Response {
		t.Helper()
		return c.do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"+fields+"\r\n")
	}
	const closing = "Connection: close\r\n"
	with := func(message []byte) string { return "Authorization: " + ntlmHeader(message) + "\r\n" }

	first := dial(t, s.HTTP)
	if got := ask(first, closing); got.StatusCode != 401 || !got.Close {
		t.Errorf("the first answer to who closes: got %d, close %v, want 401 and the end", got.StatusCode, got.Close)
	}
	if _, err := first.conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on after its end was announced")
	}
	for name, before := range map[string]bool{"a new connection": false, "the connection of the first answer": true} {
		c := dial(t, s.HTTP)
		if before {
			if got := ask(c, ""); got.StatusCode != 401 || got.Close || !strings.Contains(strings.Join(got.Header.Values("WWW-Authenticate"), ","), "NTLM") {
				t.Errorf("%s: got %d, close %v, %v, want 401 with NTLM", name, got.StatusCode, got.Close, got.Header)
			}
		}
		got := ask(c, with(negotiate))
		challenge := challengeOf(t, got)
		if got.StatusCode != 401 || got.Close || challenge == nil {
			t.Fatalf("%s, Type 1: got %d, close %v, Type 2 %v, reason %s, want 401, open", name, got.StatusCode, got.Close, challenge != nil, s.reason(t))
		}
		if got := ask(c, with(authenticate(challenge))); got.StatusCode != 200 {
			t.Errorf("%s, Type 3: got %d, reason %s, want 200", name, got.StatusCode, s.reason(t))
		}
	}
	if got := ask(dial(t, s.HTTP), closing+with(negotiate)); got.StatusCode != 401 || challengeOf(t, got) != nil || s.reason(t) != "not_persistent" {
		t.Errorf("a Type 1 on a connection that ends: got %d %v, reason %s, want 401 without a Type 2", got.StatusCode, got.Header, s.reason(t))
	}
}
