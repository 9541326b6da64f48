package caddyntlm

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

func newRequire(t *testing.T, rule policy.Rule) *Require {
	t.Helper()
	q := &Require{Rule: rule, log: caddy.Log()}
	var err error
	if q.rule, err = policy.Compile(rule); err != nil {
		t.Fatal(err)
	}
	return q
}

// several require are all-of, and each request is asked anew.
func TestRequire(t *testing.T) {
	d := newDoor(t, func(d *door) {
		d.inner = append(d.inner, newRequire(t, policy.Rule{Group: []string{"Users"}}), newRequire(t, policy.Rule{Group: []string{"HR"}}))
	})
	c := d.dial(t)
	c.login("bob", "secret-b").want(t, 403)
	d.wantReason(t, identity.KindDenied)
	c.get().want(t, 403)
	c.login("alice", "secret-a").wantUser(t, "alice")
	d.dir.groups["alice"] = nil
	c.get().wantUser(t, "alice")
}

// D-09 holds for an inner rule too.
func TestRequireAsksAgain(t *testing.T) {
	clock := new(clock)
	d := newDoor(t, func(d *door) {
		d.now, d.dir.at = clock.now, clock.now
		d.inner = append(d.inner, newRequire(t, policy.Rule{Group: []string{"HR"}}))
	})
	c := d.dial(t)
	c.login("bob", "secret-b").want(t, 403)
	d.dir.groups["bob"] = []string{"HR"}
	c.get().want(t, 403)
	clock.advance(6 * time.Second)
	c.get().wantUser(t, "bob")

	d.dir.groups["bob"] = nil
	c.get(basic("bob", "secret-b")).want(t, 403)
	clock.advance(6 * time.Second)
	asked := d.dir.asked.Load()
	d.refreshFails(identity.KindCannotRefresh)
	d.dir.groups["bob"] = []string{"HR"}
	c.get(basic("bob", "secret-b")).wantUser(t, "bob")
	if got := d.dir.asked.Load() - asked; got != 1 {
		t.Errorf("got %d questions, want 1: the password is at hand", got)
	}
	d.dir.groups["alice"] = nil
	c.login("alice", "secret-a").want(t, 403)
	clock.advance(6 * time.Second)
	c.get().want(t, 401, both...)
	c.get().want(t, 401, both...)
}
