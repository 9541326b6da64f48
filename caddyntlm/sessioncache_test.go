package caddyntlm

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// sessionOf is a session of somebody in so many groups.
func sessionOf(n, groups int) (*carried, held) {
	a := identity.Account{SAM: fmt.Sprintf("user%d", n), DN: fmt.Sprintf("CN=user%d", n)}
	for i := range groups {
		a.Groups = append(a.Groups, identity.Group{Name: fmt.Sprint(i), SID: fakeSID(fmt.Sprint(i))})
	}
	h := held{id: identity.New(a, policy.FoldDN), scheme: schemeForm}
	id := session.ID{byte(n), byte(n >> 8), byte(n >> 16)}
	return &carried{id: id, record: &session.Record{Edition: 1, Snapshot: snapshotOf(h)}}, h
}

func (k *knownSessions) sizes() (sessions, groups int) {
	for _, generation := range []map[session.ID]knownSession{k.young, k.old} {
		for _, e := range generation {
			sessions++
			groups += e.held.id.CountGroups()
		}
	}
	return sessions, groups
}

// What nobody comes back with is forgotten, and what somebody does stays: a door lives for
// months, and most sessions for a morning.
func TestKnownSessionsGo(t *testing.T) {
	clock := new(clock)
	k := newKnownSessions(clock.now)
	used, h := sessionOf(1, 3)
	k.keep(used, h)
	for n := range 100 {
		k.keep(sessionOf(2+n, 3))
	}
	for range 3 {
		clock.advance(turnAfter)
		if e, ok := k.find(used.id); !ok || e.held.id != h.id {
			t.Error("a session that is used was read again")
		}
	}
	if sessions, _ := k.sizes(); sessions != 1 || k.weight != ofAny+3 {
		t.Errorf("got %d sessions of weight %d, want the one of %d", sessions, k.weight, ofAny+3)
	}
}

// People in thousands of groups take no more room than more people do.
func TestKnownSessionsAreBounded(t *testing.T) {
	k := newKnownSessions(time.Now)
	const groups = 5000
	one, _ := sessionOf(0, groups)
	read, err := readSnapshot(one.record.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 * mostKnown / groups {
		k.keep(&carried{id: session.ID{byte(n), byte(n >> 8)}, record: one.record}, read)
	}
	if _, got := k.sizes(); got > 2*mostKnown || got < mostKnown*9/10 {
		t.Errorf("got %d groups, want about %d, and twice that at most", got, mostKnown)
	}
	for n := range 5 * mostKnown / groups {
		k.drop(session.ID{byte(n), byte(n >> 8)})
	}
	if sessions, _ := k.sizes(); sessions != 0 || k.weight != 0 {
		t.Errorf("got %d sessions of weight %d after all were dropped", sessions, k.weight)
	}
}

// An edition is read once, and the next one anew.
func TestKnownSessionsReadOnce(t *testing.T) {
	k := newKnownSessions(time.Now)
	c, _ := sessionOf(1, 2)
	first, err := k.of(c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := k.of(c); err != nil || again.id != first.id {
		t.Errorf("got %p, %v, want what was read: %p", again.id, err, first.id)
	}
	newer, h := sessionOf(1, 4)
	newer.record.Edition = 2
	if got, err := k.of(newer); err != nil || len(got.id.Groups()) != len(h.id.Groups()) {
		t.Errorf("got %v, %v, want the newer edition's groups", got.id.Groups(), err)
	}
	if sessions, _ := k.sizes(); sessions != 1 || k.weight != ofAny+4 {
		t.Errorf("got %d sessions of weight %d, want one of %d", sessions, k.weight, ofAny+4)
	}
}
