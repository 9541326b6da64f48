package throttle

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// crowded are two nodes, of which the first owes the store a place of a try that a crowd
// was at.
func crowded(t *testing.T) (both []*Throttle, s *sharing, c *clock, try Try) {
	both, s, c = nodes(2, usual, func(err error) { t.Errorf("it is not down: %v", err) })
	try = from("192.0.2.1")
	try.Lockout = 2
	s.busy.Store(true)
	if err := wrong(t, both[0], try); waitOf(err) == 0 {
		t.Fatalf("got %v, want it refused", err)
	}
	s.busy.Store(false)
	return both, s, c, try
}

// TestCrowdAtOneAccount: threats F-11. While a node tells the store what it owes of an
// account that a crowd is at, everybody else gets in.
func TestCrowdAtOneAccount(t *testing.T) {
	both, s, _, try := crowded(t)
	inside, free, in := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s.crowd = func(key store.Key) error {
		if key == accountKey(try.Account) {
			inside <- struct{}{}
			<-free
		}
		return nil
	}
	go func() {
		a, err := both[0].Enter(t.Context(), try)
		if err == nil {
			a.Undecided()
		}
		in <- err
	}()
	<-inside
	a, err := enter(t, both[0], Try{Account: "bob", Address: netip.MustParseAddr("198.51.100.7")})
	if err != nil {
		t.Fatalf("somebody else: got %v", err)
	}
	a.Right("")
	go func() {
		for range inside {
		}
	}()
	close(free)
	if err := <-in; err != nil {
		t.Errorf("one of the crowd: got %v", err)
	}
	close(inside)
}

// TestCrowdIsLeftAlone: whoever else comes has the node ask once a busyPause at most
// whether a crowd has gone, and when it has the store is told.
func TestCrowdIsLeftAlone(t *testing.T) {
	both, s, c, try := crowded(t)
	asked := 0
	s.crowd = func(key store.Key) error {
		if key != accountKey(try.Account) {
			return nil
		}
		asked++
		return fmt.Errorf("crowded: %w: %w", store.ErrDown, store.ErrBusy)
	}
	others := func() {
		for range 20 {
			a, err := enter(t, both[0], Try{Account: "bob", Address: netip.MustParseAddr("198.51.100.7")})
			if err != nil {
				t.Fatalf("somebody else: got %v", err)
			}
			a.Right("")
		}
	}
	others()
	if asked != 1 {
		t.Errorf("got %d questions about the crowd's account by others, want 1", asked)
	}
	s.crowd = nil
	c.pass(busyPause)
	others()
	a, err := both[1].look(t.Context(), try)
	if err != nil {
		t.Fatalf("the place is not given back: %v", err)
	}
	a.Undecided()
}

// TestCrowdHidesNoWrongPassword: threats F-11. A wrong password that a crowd has kept from
// the store counts for whoever comes next, even where that one finds the value free.
func TestCrowdHidesNoWrongPassword(t *testing.T) {
	both, s, c := nodes(1, usual, nil)
	try := from("192.0.2.1")
	try.Lockout, try.Observation = 2, time.Hour
	a, err := enter(t, both[0], try)
	if err != nil {
		t.Fatal(err)
	}
	crowd := fmt.Errorf("crowded: %w: %w", store.ErrDown, store.ErrBusy)
	s.crowd = func(store.Key) error { return crowd }
	a.Wrong()
	c.pass(placeLife)
	free := false
	s.crowd = func(store.Key) error {
		if free {
			return nil
		}
		free = true // the next time
		return crowd
	}
	if err := wrong(t, both[0], try); waitOf(err) == 0 {
		t.Errorf("got %v, want the one that locks refused", err)
	}
}

// TestOwedIsBounded: what is owed fills no memory, and no crowd's places push out a wrong
// password.
func TestOwedIsBounded(t *testing.T) {
	one, s, _ := nodes(1, usual, nil)
	for range 2 * maxOwed {
		one[0].owe(&Attempt{throttle: one[0], book: s}, from("192.0.2.1"), nil)
	}
	one[0].owe(&Attempt{throttle: one[0], book: s, wrong: true}, Try{Account: "bob"}, func(*account, time.Time) {})
	p := one[0].process
	if got := len(p.owed); got != maxOwed || !p.owes("bob") {
		t.Errorf("got %d, bob's %v, want %d with bob's", got, p.owes("bob"), maxOwed)
	}
}
