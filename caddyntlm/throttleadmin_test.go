package caddyntlm

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestAdminThrottle: an administrator lets somebody in whose wrong passwords have him
// wait, by whichever name, and nobody else.
func TestAdminThrottle(t *testing.T) {
	d := loadDoor(t, "", `"realm": "x"`)
	a := &adminThrottle{log: caddy.Log()}
	ask := func(method, query string) int {
		t.Helper()
		w := httptest.NewRecorder()
		err := a.serve(w, httptest.NewRequest(method, "/windows_auth/throttle"+query, nil))
		if refused, ok := errors.AsType[caddy.APIError](err); ok {
			return refused.HTTPStatus
		}
		if err != nil {
			t.Fatal(err)
		}
		return w.Code
	}
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
