package caddyntlm

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// F-02: a browser sends the cookies of all sites of a host to each of them, whatever port
// and path it has. An application behind one must not see what opens another.
func TestCookiesOfOtherSites(t *testing.T) {
	const (
		login  = `{"match": [{"path": ["/%[1]s", "/%[1]s/*"]}], "terminal": true, "handle": [{"handler": "test_door", "insecure_basic": true%[2]s}, {"handler": "static_response", "body": "[{http.request.header.Cookie}]"}]}`
		others = "a=1; __Host-b=2"
	)
	route := func(path, more string) string { return fmt.Sprintf(login, path, more) }
	one := route("one", `, "session": {"cookie": "one"}, "bypass": [{"path": ["/one/free"]}]`)
	plain := route("plain", `, "bypass": [{"path": ["/plain/free"]}]`)
	sent := "Cookie: __Host-one=x; a=1; __Host-two=y; " + formCookieName + "=z; __Host-b=2"
	wantSeen := func(d *caddyDoor, path, want string) {
		t.Helper()
		c := d.dial(t)
		c.send("GET", path, "", sent, basic("alice", "secret-a"))
		if got := c.receive("GET"); got.StatusCode != 200 || got.text != "["+want+"]" {
			t.Errorf("%s: got %d %q, want %q", path, got.StatusCode, got.text, want)
		}
	}

	d := loadRoutes(t, "", one+","+route("two", `, "session": {"cookie": "two"}`)+","+plain)
	for _, path := range []string{"/one", "/two", "/plain", "/plain/free"} {
		wantSeen(d, path, others)
	}
	wantSeen(d, "/one/free", "__Host-one=x; "+others) // its own goes on, as a password does
	d = loadRoutes(t, "", one+","+plain)              // a site is gone, and its cookie anybody's
	wantSeen(d, "/plain", "a=1; __Host-two=y; __Host-b=2")
}

// A windows_auth further in has a cookie of its own, which the outer one keeps from
// applications and not from it.
func TestCookieOfAnInnerDoor(t *testing.T) {
	inner := newSessionDoor(t, func(d *door) { d.dir, d.Session = newFakeDirectory("OTHER"), &Session{Cookie: "inner"} })
	t.Cleanup(inner.unshareCookie)
	inner.shareCookie()
	var seen string
	outer := newSessionDoor(t, func(d *door) {
		d.inner = append(d.inner, inner.Handler, middleware(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
			seen = strings.Join(r.Header["Cookie"], " | ")
			return next.ServeHTTP(w, r)
		}))
	})
	of := func(d *sessionDoor, user string) string {
		for _, c := range d.get(t, asPage, basic(user, d.dir.passwords[user])).Cookies() {
			return c.Name + "=" + c.Value
		}
		t.Fatal("got no cookie")
		return ""
	}
	atInner := of(inner, "bob")
	got := outer.get(t, asPage, basic("alice", "secret-a"))
	got.want(t, 401, both...) // the inner one knows nobody yet
	atOuter := cookieOf(got)
	outer.get(t, atOuter).want(t, 401, both...)
	outer.get(t, atOuter+"; a=1; "+atInner).wantUser(t, "bob")
	if seen != "a=1" {
		t.Errorf("the application saw %q, want a=1", seen)
	}
	outer.get(t, "Cookie: "+atInner).want(t, 401, both...)
}
