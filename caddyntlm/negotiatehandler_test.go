package caddyntlm

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// What NegotiateHandlerTests of dotnet/aspnetcore tests and no other file here
// does. docs/threats.md has their tests and ours side by side.

// Of the configuration's zero value everything is set that serving needs.
func TestDefaultsAreWhole(t *testing.T) {
	d := prepareDoor(t, nil)
	if d.rule == nil || d.nameOf == nil || d.conns == nil || d.pending == nil || d.asking == nil || d.notices == nil || len(d.offered) != 2 {
		t.Errorf("got %+v, want nothing left out", d.Handler)
	}
	if l := d.limits; l.handshake <= 0 || l.answer <= 0 || l.body <= 0 || l.pending <= 0 || l.asking <= 0 || l.groups <= 0 || l.retry <= 0 {
		t.Errorf("got %+v, want each limit set", l)
	}
}

// A server that tells no connection gets no NTLM, and is not broken by it.
func TestNoConnectionKnown(t *testing.T) {
	l := newListener(t)
	p := &direct{listener: l, ctx: context.Background(), nc: new(nowhere)}
	p.ask(0).want(t, 401, basicChallenge)
	p.ask(0, type1()).want(t, 401, basicChallenge)
	p.ask(0, basic("alice", "secret-a")).wantUser(t, "alice")
	if got := l.sites[0].dir.challenges; got != 0 {
		t.Errorf("got %d challenges issued, want 0", got)
	}
}

// What is routed past windows_auth is served to anybody, asked for nothing,
// and shows nobody, also on a connection that is authenticated.
func TestUnguardedPathStaysUnasked(t *testing.T) {
	d := prepareDoor(t, nil)
	guarded := d.handler()
	d.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open" {
			if answerOf(r.Context()) != nil {
				t.Error("somebody is known where nobody was asked")
			}
			w.WriteHeader(http.StatusOK)
			return
		}
		guarded.ServeHTTP(w, r)
	}))
	c := d.dial(t)
	for range 2 {
		c.send("GET", "/open", "")
		c.receive("GET").want(t, 200)
		c.login("alice", "secret-a").wantUser(t, "alice")
	}
	// In mid-handshake too: it is no request of the door's.
	first := c.get(type1())
	c.send("GET", "/open", "")
	c.receive("GET").want(t, 200)
	c.get(type3(first.challenge(), "alice", "secret-a")).wantUser(t, "alice")
}

// A Type 1 is answered whatever is asked for, before the application says that
// there is no such thing, and with one challenge alone.
func TestTypeOneIsAnsweredAnywhere(t *testing.T) {
	d := newDoor(t, func(d *door) {
		d.inner = append(d.inner, middleware(func(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
			return caddyhttp.Error(http.StatusNotFound, errors.New("no such page"))
		}))
	})
	c := d.dial(t)
	c.send("GET", "/404", "", type1())
	first := c.receive("GET")
	if first.StatusCode != 401 || first.challenge() == nil || first.text != "" {
		t.Fatalf("got %d %v %q, want 401 with a Type 2 and nothing else", first.StatusCode, first.Header, first.text)
	}
	c.get(type3(first.challenge(), "alice", "secret-a")).want(t, 404)
	c.get().want(t, 404) // known: no challenge
}

// Both legs are of one exchange, and no second one is begun.
func TestOneExchangeForBothLegs(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	for range 3 {
		c.get().wantUser(t, "alice")
	}
	if got := d.dir.challenges; got != 1 {
		t.Errorf("got %d exchanges, want 1", got)
	}
	if c := d.dir.lastChannel; c == nil || c.Bindings != nil || c.Targets != nil || c.Required {
		t.Errorf("got %+v, want a channel of which nothing is known", c)
	}
}

// The same user again, on a connection that knows them: asked anew, not taken
// for known.
func TestReAuthenticatesAsTheSame(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	for n := range int64(3) {
		c.login("alice", "secret-a").wantUser(t, "alice")
		if got := d.dir.asked.Load(); got != n+1 {
			t.Errorf("got %d questions, want %d", got, n+1)
		}
	}
}

// An application that fails after a log-in fails, and its error page is no
// second log-in: what is remembered stays.
func TestErrorRoutesDoNotAskAgain(t *testing.T) {
	d := prepareDoor(t, nil)
	var mended atomic.Bool
	d.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			if !mended.Load() {
				return caddyhttp.Error(http.StatusInternalServerError, errors.New("the application failed"))
			}
			return d.application(w, r)
		})
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		if err := d.ServeHTTP(w, r, next); err != nil {
			failure, _ := errors.AsType[caddyhttp.HandlerError](err)
			if failure.StatusCode == http.StatusInternalServerError && answerOf(r.Context()) == nil {
				t.Error("the error page does not see the user")
			}
			w.WriteHeader(failure.StatusCode)
		}
	}))
	c := d.dial(t)
	c.login("alice", "secret-a").want(t, 500)
	c.get().want(t, 500)
	mended.Store(true)
	c.get().wantUser(t, "alice")
	if got := d.dir.asked.Load(); got != 1 {
		t.Errorf("got %d questions, want 1", got)
	}
}

// What a verifier may say to a Type 1: the client's fault is a 401 or a 400,
// and what nobody foresaw is a 500 without a challenge.
func TestFailuresAtTheFirstLeg(t *testing.T) {
	for _, tt := range []struct {
		name       string
		err        error
		status     int
		challenges []string
	}{
		{"credential", identity.Fail(identity.KindBadCredentials, nil), 401, both},
		{"token", identity.Fail(identity.KindBadToken, nil), 401, both},
		{"malformed", identity.Fail(identity.KindMalformed, nil), 400, nil},
		{"controller", identity.Fail(identity.KindUnavailable, nil), 503, nil},
		{"other", errors.New("something else"), 500, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t, nil)
			d.dir.start = func(context.Context) error { return tt.err }
			d.dial(t).get(type1()).want(t, tt.status, tt.challenges...)
			d.dir.start = nil
			d.dir.finish = func(context.Context) error { return tt.err }
			d.dial(t).login("alice", "secret-a").want(t, tt.status, tt.challenges...)
		})
	}
}
