package caddyntlm

import (
	"context"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// clock is a clock that stands still until it is moved.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_700_000_000, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func newClockDoor(t *testing.T, rule policy.Rule) (*door, *clock) {
	t.Helper()
	c := new(clock)
	d := newDoor(t, func(d *door) {
		d.now, d.dir.at, d.Require = c.now, c.now, &rule
	})
	return d, c
}

// refresher is an error that Refresh gives and that a test can change.
func (d *door) refreshFails(kind identity.Kind) {
	d.dir.refresh = func(*identity.Identity) error { return identity.Fail(kind, nil) }
}

func TestFreshIdentityAsksNobody(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{ValidUser: true})
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	clock.advance(5 * time.Minute)
	c.get().wantUser(t, "alice")
	if got := d.dir.refreshed.Load(); got != 0 {
		t.Errorf("got %d refreshes, want 0", got)
	}
	clock.advance(time.Second)
	c.get().wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	if got := d.dir.refreshed.Load(); got != 1 {
		t.Errorf("got %d refreshes, want 1", got)
	}
}

// A34: what was purged is looked up again before it is used, however young.
func TestPurgedIdentityIsRenewed(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{Group: []string{"HR"}})
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	d.dir.groups["alice"] = nil
	clock.advance(time.Second)
	c.get().wantUser(t, "alice")
	d.dir.purged = clock.now()
	c.get().want(t, 403)
	d.dir.groups["alice"] = []string{"HR"}
	clock.advance(6 * time.Second)
	c.get().wantUser(t, "alice")
	asked := d.dir.refreshed.Load()
	c.get().wantUser(t, "alice")
	if got := d.dir.refreshed.Load() - asked; got != 0 {
		t.Errorf("got %d refreshes of what is newer than the purge, want 0", got)
	}
}

func TestCannotRefresh(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{ValidUser: true})
	d.refreshFails(identity.KindCannotRefresh)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	clock.advance(6 * time.Minute)
	c.get().want(t, 401, both...)
	d.wantReason(t, identity.KindCannotRefresh)
	c.get().want(t, 401, both...)
	d.wantReason(t, identity.KindNoCredentials)
	c.login("alice", "secret-a").wantUser(t, "alice")
}

// D-09, E-01.
func TestStaleWhileControllersAreDown(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{ValidUser: true})
	d.refreshFails(identity.KindUnavailable)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	clock.advance(6 * time.Minute)
	c.get().wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	if got := d.dir.refreshed.Load(); got != 1 {
		t.Errorf("got %d refreshes, want 1: a dead controller is not asked on every request", got)
	}
	clock.advance(9 * time.Minute)
	c.get().wantUser(t, "alice")
	clock.advance(time.Second)
	got := c.get()
	got.want(t, 503)
	if got.Header.Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
	d.dir.refresh = nil
	clock.advance(10 * time.Second)
	c.get().wantUser(t, "alice")
}

func TestRefreshFindsAccountDisabled(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{ValidUser: true})
	d.refreshFails(identity.KindDisabled)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	clock.advance(6 * time.Minute)
	c.get().want(t, 401, both...)
	d.wantReason(t, identity.KindDisabled)
	d.dir.refresh = nil
	c.get().want(t, 401, both...)
}

func TestRefreshFindsSomebodyElse(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{ValidUser: true})
	d.dir.refresh = func(id *identity.Identity) error { id.SID = fakeSID("other"); return nil }
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	clock.advance(6 * time.Minute)
	c.get().want(t, 401, both...)
	d.wantReason(t, identity.KindMismatch)
}

// A-06, D-09: a denial is decided on new groups, and the identity is kept.
func TestDenialAsksAgain(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{Group: []string{"HR"}})
	c := d.dial(t)
	c.login("bob", "secret-b").want(t, 403)
	d.wantReason(t, identity.KindDenied)
	if got := d.dir.refreshed.Load(); got != 0 {
		t.Errorf("got %d refreshes straight after a log-in, want 0", got)
	}
	c.get().want(t, 403)
	clock.advance(6 * time.Second)
	c.get().want(t, 403)
	if got := d.dir.refreshed.Load(); got != 1 {
		t.Errorf("got %d refreshes, want 1", got)
	}
	clock.advance(6 * time.Second)
	d.dir.groups["bob"] = []string{"HR"}
	c.get().wantUser(t, "bob")
}

func TestDenialThatCannotBeRefreshed(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{Group: []string{"HR"}})
	d.refreshFails(identity.KindCannotRefresh)
	c := d.dial(t)
	c.login("bob", "secret-b").want(t, 403)
	clock.advance(6 * time.Second)
	c.get().want(t, 401, both...)
	c.login("bob", "secret-b").want(t, 403)
	// The directory itself may have answered the log-in from its memory.
	old := clock.now().Add(-time.Minute)
	d.dir.at = func() time.Time { return old }
	c.login("bob", "secret-b").want(t, 403)
	d.refreshFails(identity.KindUnavailable)
	c.login("bob", "secret-b").want(t, 503)
}

func TestBasicIsRenewedByItsPassword(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{ValidUser: true})
	d.refreshFails(identity.KindCannotRefresh)
	c := d.dial(t)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	clock.advance(6 * time.Minute)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	if got := d.dir.asked.Load(); got != 2 {
		t.Errorf("got %d questions, want 2", got)
	}
	clock.advance(6 * time.Minute)
	d.dir.failures["alice"] = identity.Fail(identity.KindUnavailable, nil)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	clock.advance(10 * time.Minute)
	c.get(basic("alice", "secret-a")).want(t, 503)
	clock.advance(time.Minute)
	delete(d.dir.failures, "alice")
	d.dir.passwords["alice"] = "changed"
	c.get(basic("alice", "secret-a")).want(t, 401, both...)
	d.dir.failures["alice"] = identity.Fail(identity.KindUnavailable, nil)
	c.get(basic("alice", "secret-a")).want(t, 503) // forgotten: nothing to live on
}

// TestClientThatLeavesBlamesNobody: one stream that is cut off must not keep
// the others on its connection from asking.
func TestClientThatLeavesBlamesNobody(t *testing.T) {
	d, _ := newClockDoor(t, policy.Rule{ValidUser: true})
	d.refreshFails(identity.KindUnavailable)
	for _, left := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		if left {
			cancel()
		}
		c := &conn{table: d.conns}
		r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
		v := &visit{door: d.Handler, r: r, start: d.now(), conn: c, id: new(identity.Identity), from: d.dir, scheme: schemeNTLM}
		_ = v.renew()
		if waits := c.retryAt.Load() != 0; waits == left {
			t.Errorf("client left: %v, the connection waits: %v", left, waits)
		}
		cancel()
	}
}
