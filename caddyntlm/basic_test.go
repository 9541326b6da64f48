package caddyntlm

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestBasic(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	c.get().want(t, 401, both...) // the request was authenticated, not the connection
	c.get(basic("alice", "wrong")).want(t, 401, both...)
	c.get(basic("nobody", "secret-a")).want(t, 401, both...)
	c.get(basic(`EXAMPLE\bob`, "secret-b")).wantUser(t, "bob")
}

// A35: the same credential on the same connection asks nobody again.
func TestBasicRemembered(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	for range 5 {
		c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	}
	if got := d.dir.asked.Load(); got != 1 {
		t.Errorf("got %d questions, want 1", got)
	}
	c.get(basic("alice", "secret-b")).want(t, 401, both...)
	if got := d.dir.asked.Load(); got != 2 {
		t.Errorf("got %d questions, want 2", got)
	}
	d.dial(t).get(basic("alice", "secret-a")).wantUser(t, "alice")
	if got := d.dir.asked.Load(); got != 3 {
		t.Errorf("got %d questions, want 3: another connection knows nothing", got)
	}
}

//
func TestBasicShiftedBoundary(t *testing.T) {
	d := newDoor(t, nil)
	d.dir.passwords = map[string]string{"alice": "x1", "alicex": "11"}
	c := d.dial(t)
	c.get(basic("alice", "x1")).wantUser(t, "alice")
	c.get(basic("alicex", "1")).want(t, 401, both...)
	if _, fields := d.last(t); fields["user_claimed"] != "alicex" || fields["reason"] != "bad_credentials" {
		t.Errorf("got %v, want a failed log-in of alicex", fields)
	}
	c.get(basic("al", "icex1")).want(t, 401, both...)
	table := newConns()
	seen := map[fingerprint]string{}
	for _, p := range [][4]string{{"k", "", "alice", "x1"}, {"k", "", "alicex", "1"}, {"ka", "", "lice", "x1"}, {"k", "a", "lice", "x1"}, {"k", "alice", "", "x1"}} {
		print := table.fingerprintOf(p[0], identity.Name{Domain: p[1], User: p[2]}, identity.NewSecret(p[3]))
		if other, ok := seen[print]; ok {
			t.Errorf("%v and %s have one fingerprint", p, other)
		}
		seen[print] = fmt.Sprint(p)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := &conn{table: newConns()}
	id := newFakeDirectory("EXAMPLE").account("alice")
	for i := range 100 {
		c.remember(fingerprint{byte(i)}, id)
	}
	kept := 0
	for i := range 100 {
		if c.recall(fingerprint{byte(i)}) != nil {
			kept++
		}
	}
	if kept != memorySize {
		t.Errorf("got %d remembered, want %d", kept, memorySize)
	}
	c.remember(fingerprint{99}, nil)
	if c.recall(fingerprint{99}) != nil {
		t.Error("got a forgotten identity")
	}
}

// D-01 and names that no directory holds: nobody is asked.
func TestBasicRefusedUnasked(t *testing.T) {
	d := newDoor(t, nil)
	tests := []struct {
		name, user, password string
		kind                 identity.Kind
	}{
		{"empty password", "alice", "", identity.KindEmptyPassword},
		{"blank password", "alice", " \t ", identity.KindEmptyPassword},
		{"NUL password", "alice", "\x00secret-a", identity.KindEmptyPassword},
		{"no user", "", "secret-a", identity.KindBadName},
		{"blank user", "  ", "secret-a", identity.KindBadName},
		{"NUL in user", "ali\x00ce", "secret-a", identity.KindBadName},
		{"line end in user", "alice\r\nX: y", "secret-a", identity.KindBadName},
		{"long user", strings.Repeat("a", 300), "secret-a", identity.KindBadName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d.dial(t).get(basic(tt.user, tt.password)).want(t, 401, both...)
			d.wantReason(t, tt.kind)
		})
	}
	d.dial(t).get(authorization("Basic", []byte("no colon"))).want(t, 401, both...)
	d.wantReason(t, identity.KindBadToken)
	if got := d.dir.asked.Load(); got != 0 {
		t.Errorf("got %d questions, want 0", got)
	}
}

func TestBasicEncodings(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.get(basic("älice", "pässwort")).wantUser(t, "älice")
	c.get(authorization("Basic", []byte("\xe4lice:p\xe4sswort"))).wantUser(t, "älice")
	d.dir.passwords["bob"] = "a:b::c"
	c.get(basic("bob", "a:b::c")).wantUser(t, "bob")
}

// Basic without TLS is neither offered nor looked at.
func TestBasicNeedsTLS(t *testing.T) {
	d := newDoor(t, func(d *door) { d.InsecureBasic = false })
	c := d.dial(t)
	c.get().want(t, 401, "NTLM")
	c.get(basic("alice", "secret-a")).want(t, 401, "NTLM")
	d.wantReason(t, identity.KindScheme)
	if got := d.dir.asked.Load(); got != 0 {
		t.Errorf("got %d questions, want 0", got)
	}
	if d.logs.FilterFieldKey("hint").Len() == 0 {
		t.Error("got no hint in the log")
	}
}

func TestBasicInMidHandshakeEndsIt(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	first := c.get(type1())
	c.get(basic("bob", "secret-b")).wantUser(t, "bob")
	d.dir.checkClosed(t)
	c.get(type3(first.challenge(), "alice", "secret-a")).want(t, 401, both...)
}

func TestBasicOnAuthenticatedConnection(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get(basic("bob", "secret-b")).wantUser(t, "bob")
	c.get().wantUser(t, "alice")
	c.get(basic("bob", "wrong")).want(t, 401, both...)
}

func TestBasicControllersDown(t *testing.T) {
	d := newDoor(t, nil)
	d.dir.verify = func(context.Context) error { return identity.Fail(identity.KindTimeout, nil) }
	got := d.dial(t).get(basic("alice", "secret-a"))
	got.want(t, 503)
	if got.Header.Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
}

func TestRealm(t *testing.T) {
	d := newDoor(t, func(d *door) { d.Realm = `Say "hi"\`; d.Schemes = []string{"basic", "ntlm"} })
	d.dial(t).get().want(t, 401, `Basic realm="Say \"hi\"\\", charset="UTF-8"`, "NTLM")
	e := newDoor(t, func(d *door) { d.Schemes = []string{"basic"} })
	c := e.dial(t)
	c.host = "other.example.org:8443"
	c.get().want(t, 401, `Basic realm="other.example.org", charset="UTF-8"`)
	c.get(type1()).want(t, 401, `Basic realm="other.example.org", charset="UTF-8"`)
	e.wantReason(t, identity.KindScheme)
}

// TestTooManyPasswords: while a controller is slow, strangers cannot make more
// and more connections to it wait.
func TestTooManyPasswords(t *testing.T) {
	d := newDoor(t, nil)
	d.asking = newQuota(1, 1)
	known := d.dial(t)
	known.get(basic("alice", "secret-a")).wantUser(t, "alice")
	asked, answer := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(answer) })
	t.Cleanup(release) // before the server's own, which waits
	d.dir.verify = func(context.Context) error {
		close(asked)
		<-answer
		return nil
	}
	slow, late := d.dial(t), d.dial(t)
	slow.send("GET", "/", "", basic("bob", "secret-b"))
	<-asked
	late.get(basic("bob", "secret-b")).want(t, 503)
	d.wantReason(t, identity.KindTooManyPending)
	known.get(basic("alice", "secret-a")).wantUser(t, "alice")
	release()
	slow.receive("GET").wantUser(t, "bob")
	d.dir.verify = nil
	late.get(basic("bob", "secret-b")).wantUser(t, "bob")
}
