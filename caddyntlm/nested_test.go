package caddyntlm

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/loginpage"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// A windows_auth inside another one's handle: what the outer one takes out of the request
// the inner one has still, and nothing that a client could not have sent it directly.

func TestPageOfAnInnerDoor(t *testing.T) {
	inner := prepareDoor(t, func(d *door) {
		d.dir, d.Session, d.Login = newFakeDirectory("OTHER"), &Session{Cookie: "inner"}, new(Login)
	})
	inner.shareCookie()
	t.Cleanup(inner.unshareCookie)
	outer := newSite(t, func(d *door) {
		d.Login = nil
		d.inner = []caddyhttp.MiddlewareHandler{inner.Handler}
	})
	p := outer.person()
	p.headers["Authorization"] = strings.TrimPrefix(basic("alice", "secret-a"), "Authorization: ")
	p.get("/").wantPage(t, 401, "Sign in", "")
	p.headers = map[string]string{}
	page := p.get("/")
	page.wantPage(t, 401, "Sign in", "")

	// A form that does not fit the browser's cookie is refused here too.
	cookie := p.cookies[formCookieName]
	p.cookies[formCookieName] = loginpage.NewCookie()
	if got := p.logIn(page, "bob", "secret-b"); got.StatusCode != 403 {
		t.Errorf("a form of another cookie: got %d, want 403", got.StatusCode)
	}
	inner.wantReason(t, identity.KindForm)
	p.cookies[formCookieName] = cookie
	if got := p.logIn(page, "bob", "secret-b"); got.StatusCode != 303 {
		t.Errorf("got %d, want 303", got.StatusCode)
	}
	p.get("/").wantUser(t, "bob")
	delete(p.cookies, ourCookie)
	if got := p.get("/"); got.StatusCode != 401 || len(got.Header["Www-Authenticate"]) != 2 {
		t.Errorf("the inner session alone: got %d %q, want the outer one's challenges", got.StatusCode, got.Header["Www-Authenticate"])
	}
}

// F-08: an outer session that holds the second factor gives it to an inner site of the same
// attribute and directory alone.
func TestFactorOfAnOuterSession(t *testing.T) {
	for attribute, want := range map[string]int{"secretAttribute": 200, "otherAttribute": 401} {
		clock := middleOfStep()
		kept := store.NewMemory(nil, clock.now)
		outer := newFactorSessionDoor(t, kept, clock, func(d *door) {
			inner := prepareDoor(t, func(in *door) {
				in.dir = d.dir
				withTOTP(in, clock, func(f *TOTP) { f.Attribute = attribute })
				in.Handler.store = kept
			})
			d.inner = []caddyhttp.MiddlewareHandler{inner.Handler}
		})
		cookie := cookieOf(outer.get(t, asPage, basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0))))
		clock.advance(time.Minute)
		if got := outer.get(t, cookie); got.StatusCode != want {
			t.Errorf("%s: got %d, want %d", attribute, got.StatusCode, want)
		}
	}
}
