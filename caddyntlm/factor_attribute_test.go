package caddyntlm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/totp"
)

// ofOther has a door take codes of another attribute's secret.
func ofOther(d *door) { d.TOTP.Attribute = "otherAttribute" }

// F-08: what a code of one attribute's secret has proven says nothing at a site that asks
// for another's, in whose hands that may be.
func TestFactorIsOfItsAttribute(t *testing.T) {
	clock := middleOfStep()
	kept := store.NewMemory(nil, clock.now)
	one := newFactorSessionDoor(t, kept, clock, nil)
	same := newFactorSessionDoor(t, kept, clock, func(d *door) { d.TOTP.Attribute = "secretAttribute" })
	other := newFactorSessionDoor(t, kept, clock, ofOther)
	cookie := cookieOf(one.get(t, asPage, basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), -1))))
	one.get(t, cookie).wantUser(t, "alice")
	same.get(t, cookie).wantUser(t, "alice")
	for _, headers := range [][]string{{cookie}, {cookie, basic("alice", "secret-a")}, {cookie, negotiate(ticketOf("alice"))}} {
		if got := other.get(t, headers...); got.StatusCode != 401 {
			t.Errorf("got %d, want 401", got.StatusCode)
		}
		other.wantReason(t, identity.KindFactor)
	}

	// A session holds one, the last that was given.
	got := other.get(t, asPage, cookie, basic("alice", "secret-a"+codeAt(t, otherURI, clock.now(), 0)))
	got.wantUser(t, "alice")
	marked := cookieOf(got)
	other.get(t, marked).wantUser(t, "alice")
	if got := one.get(t, marked); got.StatusCode != 401 {
		t.Errorf("got %d, want 401", got.StatusCode)
	}
}

// An inner site of another attribute does not believe the outer one's code, nor does it
// hold that code against its own secret.
func TestFactorOfAnInnerSiteOfAnotherAttribute(t *testing.T) {
	clock := middleOfStep()
	kept := store.NewMemory(nil, clock.now)
	var inner *door
	outer := newFactorSessionDoor(t, kept, clock, func(d *door) {
		inner = prepareDoor(t, func(in *door) {
			in.dir = d.dir
			withTOTP(in, clock, nil)
			in.TOTP.Attribute, in.Handler.store = "otherAttribute", kept
		})
		d.inner = []caddyhttp.MiddlewareHandler{inner.Handler}
	})
	other := newFactorSessionDoor(t, kept, clock, ofOther)
	for range totp.MostWrong + 1 {
		clock.advance(30 * time.Second)
		if got := outer.get(t, asPage, basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0))); got.StatusCode != 401 {
			t.Errorf("got %d, want 401", got.StatusCode)
		}
		inner.wantReason(t, identity.KindFactor)
	}
	clock.advance(30 * time.Second)
	other.get(t, basic("alice", "secret-a"+codeAt(t, otherURI, clock.now(), 0))).wantUser(t, "alice")
}

// TestTooManyCodesHint: nobody has to wait for whom an administrator forgives.
func TestTooManyCodesHint(t *testing.T) {
	err := new(factor).told(totp.ErrTooMany)
	e, ok := errors.AsType[*identity.Error](err)
	if !ok || e.Kind != identity.KindFactor || !strings.Contains(e.Hint, "DELETE /windows_auth/throttle?user=") {
		t.Errorf("got %v, want a refusal with the endpoint in its hint", err)
	}
}
