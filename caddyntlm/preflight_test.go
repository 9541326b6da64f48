package caddyntlm

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

var preflight = []string{"Origin: https://app.example.org", "Access-Control-Request-Method: PUT"}

func (c *client) options(body string, headers ...string) answer {
	c.t.Helper()
	c.send("OPTIONS", "/", body, headers...)
	return c.receive("OPTIONS")
}

// a preflight gets 401 like everybody, unless the site allows it.
func TestPreflightIsRefused(t *testing.T) {
	d := newDoor(t, nil)
	d.dial(t).options("", preflight...).want(t, 401, both...)
	if got := d.served.Load(); got != 0 {
		t.Errorf("got %d requests at the application, want 0", got)
	}
}

// it passes without an identity, also where somebody is logged in, and a
// rule behind the door lets it pass.
func TestPreflightPasses(t *testing.T) {
	d := newDoor(t, func(d *door) {
		d.AllowPreflight = true
		d.inner = append(d.inner, newRequire(t, policy.Rule{Group: []string{"HR"}}))
	})
	c := d.dial(t)
	c.options("", preflight...).wantUser(t, "nobody")
	c.get().want(t, 401, both...)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.options("", preflight...).wantUser(t, "nobody")
	c.get().wantUser(t, "alice") // and takes nothing away
	c.login("bob", "secret-b").want(t, 403)
	c.options("", preflight...).wantUser(t, "nobody")
	c.get().want(t, 403)
}

// nothing else passes.
func TestOnlyPreflightPasses(t *testing.T) {
	d := newDoor(t, func(d *door) { d.AllowPreflight = true })
	tests := []struct {
		name, method, body string
		headers            []string
	}{
		{"no Origin", "OPTIONS", "", preflight[1:]},
		{"no method", "OPTIONS", "", preflight[:1]},
		{"plain OPTIONS", "OPTIONS", "", nil},
		{"GET", "GET", "", preflight},
		{"POST", "POST", "", preflight},
		{"OPTIONS in lower case", "options", "", preflight},
		{"body", "OPTIONS", "text", preflight},
		{"two origins", "OPTIONS", "", append([]string{"Origin: https://other.example.org"}, preflight...)},
		{"two methods", "OPTIONS", "", append([]string{"Access-Control-Request-Method: GET"}, preflight...)},
		{"cookie", "OPTIONS", "", append([]string{"Cookie: a=b"}, preflight...)},
		{"override", "GET", "", append([]string{"X-HTTP-Method-Override: OPTIONS"}, preflight...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := d.dial(t)
			c.send(tt.method, "/", tt.body, tt.headers...)
			c.receive(tt.method).want(t, 401, both...)
		})
	}
	c := d.dial(t)
	c.write("OPTIONS / HTTP/1.1\r\nHost: site.example.com\r\nOrigin: https://app.example.org\r\nAccess-Control-Request-Method: PUT\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n0\r\n\r\n")
	c.receive("OPTIONS").want(t, 401, both...)
	if got := d.served.Load(); got != 0 {
		t.Errorf("got %d requests at the application, want 0", got)
	}
	// With credentials it is a request like any other.
	d.dial(t).options("", append([]string{basic("alice", "wrong")}, preflight...)...).want(t, 401, both...)
	d.dial(t).options("", append([]string{basic("alice", "secret-a")}, preflight...)...).wantUser(t, "alice")
	if first := d.dial(t).options("", append([]string{type1()}, preflight...)...); first.challenge() == nil {
		t.Errorf("got %d, want a Type 2", first.StatusCode)
	}
}

// A-07 holds for a preflight too.
func TestPreflightInMidHandshake(t *testing.T) {
	d := newDoor(t, func(d *door) { d.AllowPreflight = true })
	c := d.dial(t)
	first := c.get(type1())
	c.options("", preflight...).wantUser(t, "nobody")
	d.dir.checkClosed(t)
	c.get(type3(first.challenge(), "alice", "secret-a")).want(t, 401, both...)
	d.wantReason(t, identity.KindState)
}

// A door within a door decides for itself: what the outer one waved through is
// nobody to the inner one, and whom the outer one knows is nobody behind a
// waving inner one.
func TestPreflightThroughTwoDoors(t *testing.T) {
	inner := prepareDoor(t, nil)
	outer := newDoor(t, func(d *door) {
		d.AllowPreflight = true
		d.inner = append(d.inner, inner.Handler)
	})
	outer.dial(t).options("", preflight...).want(t, 401, both...)

	inner = prepareDoor(t, func(d *door) { d.AllowPreflight = true })
	outer = newDoor(t, func(d *door) { d.inner = append(d.inner, inner.Handler) })
	c := outer.dial(t)
	c.options("", preflight...).want(t, 401, both...)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.options("", preflight...).wantUser(t, "nobody")
}

// Without an identity every placeholder is empty, so that a proxy's header_up
// sends no name and no placeholder's text either.
func TestPlaceholdersOfPreflight(t *testing.T) {
	var seen []string
	d := newDoor(t, func(d *door) {
		d.AllowPreflight = true
		d.inner = append(d.inner, middleware(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
			for _, word := range []string{"id", "sam", "domain", "logon", "upn", "dn", "sid", "display_name", "mail", "groups", "roles", "scheme", "verifier", "rule"} {
				got, known := answerOf(r.Context()).placeholder(placeholderPrefix + word)
				seen = append(seen, fmt.Sprint(got, known))
			}
			seen = append(seen, answerOf(r.Context()).String())
			return next.ServeHTTP(w, r)
		}))
	})
	d.dial(t).options("", preflight...).wantUser(t, "nobody")
	for i, got := range seen[:len(seen)-1] {
		if got != " true" && got != "true" {
			t.Errorf("placeholder %d: got %q, want nothing", i, got)
		}
	}
	if got := seen[len(seen)-1]; got != "" {
		t.Errorf("got %q, want nothing", got)
	}
	if _, fields := d.last(t); fields["event"] != "waive" || fields["reason"] != "preflight" {
		t.Errorf("got %v in the log", fields)
	}
}

// A require that nothing stands before is a mistake for a preflight too.
func TestPreflightWithoutDoor(t *testing.T) {
	d := loadRoutes(t, "", `{"match": [{"path": ["/door"]}], "terminal": true, "handle": [
		{"handler": "test_door", "insecure_basic": true, "allow_preflight": true}, {"handler": "require", "rule": {"valid_user": true}}, {"handler": "test_tell_name"}]},
		{"handle": [{"handler": "require", "rule": {"valid_user": true}}, {"handler": "test_tell_name"}]}`)
	c := d.dial(t)
	c.send("OPTIONS", "/door", "", preflight...)
	c.receive("OPTIONS").wantUser(t, "")
	c.options("", preflight...).want(t, 500)
}

// what would make another method of it in the application stays outside.
func TestPreflightIsNoOtherMethod(t *testing.T) {
	var seen http.Header
	d := newDoor(t, func(d *door) {
		d.AllowPreflight = true
		d.inner = append(d.inner, middleware(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
			seen = r.Header.Clone()
			return next.ServeHTTP(w, r)
		}))
	})
	d.dial(t).options("", append([]string{"X-HTTP-Method-Override: DELETE", "X-Original-URL: /admin"}, preflight...)...).wantUser(t, "nobody")
	for _, name := range []string{"X-Http-Method-Override", "X-Original-Url"} {
		if seen.Get(name) != "" {
			t.Errorf("the application saw %s: %s", name, seen.Get(name))
		}
	}
	if seen.Get("Origin") == "" {
		t.Error("the application saw no Origin")
	}
}
