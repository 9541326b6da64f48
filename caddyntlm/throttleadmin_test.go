package caddyntlm

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/totp"
)

// TestAdminThrottle: an administrator lets somebody in whose wrong passwords have him
// wait, by whichever name, and nobody else.
func TestAdminThrottle(t *testing.T) {
	d := loadDoor(t, "", `"realm": "x"`)
	ask := func(method, query string) int { t.Helper(); return askThrottle(t, method, query) }
	d.dial(t).get(basic("alice", "wrong"))
	d.dial(t).get(basic("bob", "wrong"))
	d.dial(t).get(basic("alice", "secret-a")).wantThrottled(t, "1")
	for _, c := range []struct {
		method, query string
		want          int
	}{
		{"GET", "?user=alice", 405},
		{"DELETE", "", 400},
		{"DELETE", "?usr=alice", 400},
		{"DELETE", "?user=" + url.QueryEscape(`EXAMPLE\ALICE`), 204},
	} {
		if got := ask(c.method, c.query); got != c.want {
			t.Errorf("%s %s: got %d, want %d", c.method, c.query, got, c.want)
		}
	}
	d.dial(t).get(basic("alice", "secret-a")).wantUser(t, "alice")
	d.dial(t).get(basic("bob", "secret-b")).wantThrottled(t, "1")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := ask("DELETE", "?user=alice"); got != 404 {
		t.Errorf("without a site: got %d, want 404", got)
	}
}

// askThrottle asks the endpoint and gives its status.
func askThrottle(t *testing.T, method, query string) int {
	t.Helper()
	w := httptest.NewRecorder()
	err := (&adminThrottle{log: caddy.Log()}).serve(w, httptest.NewRequest(method, "/windows_auth/throttle"+query, nil))
	if refused, ok := errors.AsType[caddy.APIError](err); ok {
		return refused.HTTPStatus
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.Code
}

// TestAdminCodes: wrong codes are forgotten with the wrong passwords, also where those are
// not counted, and what is spent stays so.
func TestAdminCodes(t *testing.T) {
	d := loadDoor(t, "", `"throttle": {"off": true}, "totp": {"attribute": "secretAttribute"}`)
	d.dir.uris = map[string][]string{"alice": {aliceURI}}
	log := func(code string, want int) {
		t.Helper()
		if got := d.dial(t).get(basic("alice", "secret-a"+code)); got.StatusCode != want {
			t.Errorf("got %d, want %d", got.StatusCode, want)
		}
	}
	for range totp.MostWrong {
		log(wrongCodeOf(t, aliceURI), 401)
	}
	now := time.Now()
	log(codeAt(t, aliceURI, now, 0), 401)
	if got := askThrottle(t, "DELETE", "?user="+url.QueryEscape("EXAMPLE\\alice")); got != 204 {
		t.Fatalf("got %d, want 204", got)
	}
	log(codeAt(t, aliceURI, now, 0), 200)
	log(codeAt(t, aliceURI, now, 0), 401)
	d.dir.enrolment = func() error { return errUnavailable() }
	if got := askThrottle(t, "DELETE", "?user=alice"); got != 503 {
		t.Errorf("while no controller answers: got %d, want 503", got)
	}
}

// wrongCodeOf is a code that no step about now has.
func wrongCodeOf(t *testing.T, uri string) string {
	t.Helper()
	for guess := 0; ; guess++ {
		code := fmt.Sprintf("%06d", guess)
		right := false
		for step := -2; step <= 2; step++ {
			right = right || codeAt(t, uri, time.Now(), step) == code
		}
		if !right {
			return code
		}
	}
}
