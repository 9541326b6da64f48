package throttle

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// sharing is a store that several nodes share, and that may be down, or busy.
type sharing struct {
	*store.Memory
	busy  atomic.Bool // after it has done what it was asked for
	down  atomic.Bool
	asked atomic.Int64
	after func()                // a change, before it is confirmed
	crowd func(store.Key) error // what becomes of a change that a crowd is at
}

func (s *sharing) Shared() bool { return true }

func (s *sharing) Get(ctx context.Context, key store.Key) ([]byte, error) {
	if s.asked.Add(1); s.down.Load() {
		return nil, fmt.Errorf("cut: %w", store.ErrDown)
	}
	return s.Memory.Get(ctx, key)
}

func (s *sharing) Update(ctx context.Context, key store.Key, change store.Change) error {
	if s.asked.Add(1); s.down.Load() {
		return fmt.Errorf("cut: %w", store.ErrDown)
	}
	if s.crowd != nil {
		if err := s.crowd(key); err != nil {
			return err
		}
	}
	err := s.Memory.Update(ctx, key, change)
	if s.after != nil {
		s.after()
	}
	if s.busy.Load() {
		return fmt.Errorf("crowded: %w: %w", store.ErrDown, store.ErrBusy)
	}
	if err == nil && ctx.Err() != nil {
		return ctx.Err() // as a server behind a network
	}
	return err
}

// nodes are several over one store.
func nodes(n int, l Limits, warn func(error)) ([]*Throttle, *sharing, *clock) {
	c := &clock{now: time.Unix(1_800_000_000, 0)}
	s := &sharing{Memory: store.NewMemory(nil, c.read)}
	all := make([]*Throttle, n)
	for i := range all {
		all[i] = New(l, s, NewProcess(1000, c.read), warn)
	}
	return all, s, c
}

// TestTwoNodes: two that share a store count as one: 200 wrong passwords at once are no
// more than at one, and whoever waits at one sees what ended at the other.
func TestTwoNodes(t *testing.T) {
	both, _, c := nodes(2, usual, nil)
	var asked atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			try := from(fmt.Sprintf("192.0.2.%d", i%50))
			try.Lockout = 3
			a, err := both[i%2].Enter(t.Context(), try)
			if err != nil {
				return
			}
			asked.Add(1)
			time.Sleep(time.Millisecond)
			a.Wrong()
		})
	}
	all.Wait()
	if got := asked.Load(); got < 1 || got > 2 {
		t.Errorf("got %d at the controller, want 2 at most", got)
	}
	c.pass(time.Hour)
	held, err := enter(t, both[0], Try{Account: "bob", Address: netip.MustParseAddr("192.0.2.1"), Lockout: 2})
	if err != nil {
		t.Fatal(err)
	}
	began, in := time.Now(), make(chan error, 1)
	go func() {
		a, err := both[1].Enter(t.Context(), Try{Account: "bob", Address: netip.MustParseAddr("192.0.2.9"), Lockout: 2})
		if err == nil {
			a.Right("")
		}
		in <- err
	}()
	time.Sleep(10 * time.Millisecond)
	held.Right("")
	if err := <-in; err != nil || time.Since(began) > time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

// TestNodeDies: what a node had under way when it died is given back.
func TestNodeDies(t *testing.T) {
	both, _, c := nodes(2, usual, nil)
	try := from("192.0.2.1")
	try.Lockout = 2
	if _, err := enter(t, both[0], try); err != nil {
		t.Fatal(err)
	}
	if _, err := both[1].look(t.Context(), try); !errors.Is(err, errBusy) {
		t.Errorf("got %v, want %v", err, errBusy)
	}
	c.pass(placeLife)
	a, err := enter(t, both[1], try)
	if err != nil {
		t.Fatal(err)
	}
	a.Right("")
}

// TestStoreDownMeanwhile: an attempt that ends while the store is down gives its place
// back, and counts, with the next attempt after that, whosever it is, and once.
func TestStoreDownMeanwhile(t *testing.T) {
	for name, end := range map[string]func(*Attempt){
		"right": func(a *Attempt) { a.Right("") }, "undecided": (*Attempt).Undecided, "wrong": (*Attempt).Wrong,
	} {
		t.Run(name, func(t *testing.T) {
			both, s, c := nodes(2, usual, nil)
			try := from("192.0.2.1")
			try.Lockout = 2
			a, err := enter(t, both[0], try)
			if err != nil {
				t.Fatal(err)
			}
			s.down.Store(true)
			end(a)
			c.pass(2 * downPause)
			s.down.Store(false)
			for _, other := range []string{"bob", "carol"} {
				b, err := enter(t, both[0], Try{Account: other, Address: netip.MustParseAddr("198.51.100.7")})
				if err != nil {
					t.Fatal(err)
				}
				b.Right("")
			}
			a, err = both[1].look(t.Context(), try)
			if _, refused := errors.AsType[*Refused](err); refused != (name == "wrong") || !refused && err != nil {
				t.Fatalf("at the other node: got %v", err)
			}
			if a != nil {
				a.Right("")
			}
		})
	}
}

// TestStoreDown: a node goes on by what it has counted itself, owners go on to be
// known, and there is one warning a minute; when the store is back it counts again.
func TestStoreDown(t *testing.T) {
	var warned atomic.Int64
	both, s, c := nodes(2, usual, func(error) { warned.Add(1) })
	home := from("192.0.2.1")
	a, err := enter(t, both[0], home)
	if err != nil {
		t.Fatal(err)
	}
	a.Right("")
	stranger := from("198.51.100.1")
	stranger.Lockout = 3
	if err := wrong(t, both[0], stranger); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Second)
	s.down.Store(true)
	reached := 1
	for range 50 {
		if wrong(t, both[0], stranger) == nil {
			reached++
		}
		if a, err := enter(t, both[0], home); err != nil {
			t.Fatalf("its owner: %v", err)
		} else {
			a.Right("")
		}
		c.pass(2 * time.Second)
	}
	if reached != usual.Attempts {
		t.Errorf("got %d wrong passwords at the controller, want %d with the one before", reached, usual.Attempts)
	}
	if got := warned.Load(); got != 2 {
		t.Errorf("got %d warnings in 100 seconds, want 2", got)
	}
	before := s.asked.Load()
	for range 100 {
		_ = wrong(t, both[0], stranger)
	}
	if got := s.asked.Load() - before; got > 2 {
		t.Errorf("got %d questions to a store that is down, within a second", got)
	}
	s.down.Store(false)
	c.pass(time.Second)
	if err := wrong(t, both[0], Try{Account: "bob", Address: stranger.Address}); err != nil {
		t.Fatal(err)
	}
	if waitOf(wrong(t, both[1], Try{Account: "bob", Address: stranger.Address})) == 0 {
		t.Error("back again, and the nodes count apart")
	}
}

// TestStoreBack: threats F-11. What a node has counted by itself while the store was down
// counts when that is back, however long it took: else whoever goes on guessing would have
// as many again, and the account be locked. What a right password has ended does not.
func TestStoreBack(t *testing.T) {
	for name, test := range map[string]struct {
		begun, right bool // before the outage; afterwards in it
		outage       time.Duration
	}{
		"short": {outage: 2 * time.Second}, "long": {outage: 5 * time.Minute},
		"begun before": {begun: true, outage: 2 * time.Second}, "begun before, and long": {begun: true, outage: 5 * time.Minute},
		"logged in meanwhile": {right: true, outage: 2 * time.Second}, "logged in meanwhile, and long": {begun: true, right: true, outage: 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			both, s, c := nodes(2, usual, nil)
			try := from("192.0.2.1")
			try.Lockout, try.Observation = 4, time.Hour
			s.down.Store(!test.begun)
			a, err := enter(t, both[0], try)
			if err != nil {
				t.Fatal(err)
			}
			s.down.Store(true)
			a.Wrong()
			c.pass(2 * time.Second)
			if err := wrong(t, both[0], try); err != nil {
				t.Fatal(err)
			}
			c.pass(5 * time.Second)
			if test.right {
				both[0].process.memory = store.NewMemory(nil, c.read) // two are the most, and this is no test of that
				if a, err = enter(t, both[0], try); err != nil {
					t.Fatal(err)
				}
				a.Right("")
			}
			c.pass(test.outage)
			s.down.Store(false)
			if err := wrong(t, both[0], Try{Account: "bob", Address: netip.MustParseAddr("198.51.100.7")}); err != nil {
				t.Fatal(err)
			}
			err = wrong(t, both[1], try)
			if refused := waitOf(err) > 0; refused == test.right {
				t.Errorf("at the other node: got %v", err)
			}
		})
	}
}

// TestStoreBusy: threats F-10. Whoever has one record changed so often that a store cannot
// keep up does not have the nodes count each for itself, and leaves no place behind.
func TestStoreBusy(t *testing.T) {
	both, s, c := nodes(2, usual, func(err error) { t.Errorf("it is not down: %v", err) })
	try := from("192.0.2.1")
	try.Lockout = 2
	s.busy.Store(true)
	for range 3 {
		for _, node := range both {
			if err := wrong(t, node, try); waitOf(err) == 0 {
				t.Fatalf("got %v, want it refused", err)
			}
		}
	}
	s.busy.Store(false)
	c.pass(busyPause)
	for _, node := range both {
		a, err := enter(t, node, Try{Account: "bob", Address: netip.MustParseAddr("198.51.100.7")}) // who pays
		if err != nil {
			t.Fatal(err)
		}
		a.Right("")
	}
	a, err := enter(t, both[0], try)
	if err != nil {
		t.Fatal(err)
	}
	s.busy.Store(true)
	a.Wrong()
	s.busy.Store(false)
	c.pass(time.Minute)
	for _, node := range both {
		if err := wrong(t, node, try); waitOf(err) == 0 {
			t.Errorf("got %v, want the one that locks refused", err)
		}
	}
}

// TestStoreLost: a store that goes down in the middle of an attempt loses nothing that
// this node knows.
func TestStoreLost(t *testing.T) {
	one, s, c := nodes(1, usual, nil)
	for range usual.Attempts {
		a, err := enter(t, one[0], from("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		s.down.Store(true)
		a.Wrong()
		s.down.Store(false)
		s.down.Store(true)
		c.pass(10 * time.Second)
	}
	if waitOf(wrong(t, one[0], from("192.0.2.1"))) == 0 {
		t.Error("a wrong password was lost")
	}
}

// TestFlood: neither names nor addresses fill the memory. Invented names from some
// addresses end at the addresses' limits, and push nobody out who is known or attacked.
func TestFlood(t *testing.T) {
	l := usual
	l.PerAddress = 5
	c := &clock{now: time.Unix(1_800_000_000, 0)}
	memory := store.NewMemory(map[store.Kind]int{store.KindAccount: 100, store.KindAddress: 100}, c.read)
	th := New(l, memory, NewProcess(100, c.read), nil)
	home := from("192.0.2.1")
	a, err := enter(t, th, home)
	if err != nil {
		t.Fatal(err)
	}
	a.Right("")
	for range l.Attempts {
		_ = wrong(t, th, from("198.51.100.1"))
		c.pass(5 * time.Second)
	}
	for i := range 10_000 {
		_ = wrong(t, th, Try{Account: fmt.Sprint("user", i), Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 10)})})
	}
	if waitOf(wrong(t, th, from("198.51.100.1"))) == 0 {
		t.Error("who is attacked is forgotten")
	}
	if a, err := enter(t, th, home); err != nil {
		t.Errorf("its owner is forgotten: %v", err)
	} else {
		a.Right("")
	}
	n := 0
	for _, kind := range []store.Kind{store.KindAccount, store.KindAddress} {
		if err := memory.Each(t.Context(), kind, func(string, []byte) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
	}
	if want := 1 + 10*l.PerAddress + 11; n > want {
		t.Errorf("got %d records, want %d at most", n, want)
	}
}

// TestHomes: an account is known at so many addresses, and those who log in are not
// forgotten for those who did.
func TestHomes(t *testing.T) {
	th, c := start(usual)
	for i := range 3 * maxHomes {
		for _, address := range []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})} {
			a, err := enter(t, th, Try{Account: "alice", Address: address})
			if err != nil {
				t.Fatal(err)
			}
			a.Right("")
			c.pass(time.Second)
		}
	}
	raw, err := th.store.Get(t.Context(), accountKey("alice"))
	a, ok := decodeAccount(raw)
	if err != nil || !ok || len(a.homes) != maxHomes || a.at(netip.MustParseAddr("192.0.2.1")) == nil {
		t.Errorf("got %d homes, %v, %v", len(a.homes), ok, err)
	}
}

// TestCanonical: a right password clears the name that was typed and the account that
// it turned out to be, and both are known; a ticket makes the account known and clears
// nothing.
func TestCanonical(t *testing.T) {
	th, c := start(usual)
	typed, canonical := from("192.0.2.1"), Try{Account: "S-1-5-21-1", Address: netip.MustParseAddr("192.0.2.1")}
	for _, try := range []Try{typed, typed, canonical, canonical} {
		if err := wrong(t, th, try); err != nil {
			t.Fatal(err)
		}
		c.pass(5 * time.Second)
	}
	a, err := enter(t, th, typed)
	if err != nil {
		t.Fatal(err)
	}
	a.Right(canonical.Account)
	for _, try := range []Try{typed, canonical} {
		if err := wrong(t, th, try); err != nil {
			t.Errorf("%s: %v", try.Account, err)
		}
	}
	bob := Try{Account: "bob", Address: netip.MustParseAddr("198.51.100.7")}
	for range usual.Attempts {
		if err := wrong(t, th, Try{Account: "bob", Address: netip.MustParseAddr("198.51.100.1")}); err != nil {
			t.Fatal(err)
		}
		c.pass(5 * time.Second)
	}
	if waitOf(wrong(t, th, bob)) == 0 {
		t.Error("known without a ticket")
	}
	th.Known(t.Context(), "bob", bob.Address)
	if err := wrong(t, th, bob); err != nil {
		t.Errorf("after a ticket: %v", err)
	}
	if waitOf(wrong(t, th, Try{Account: "bob", Address: netip.MustParseAddr("198.51.100.1")})) == 0 {
		t.Error("a ticket has cleared what strangers did")
	}
}

// TestLocked: an account that the domain has locked has waits, and nothing more of it is
// counted; its right password is no wrong one later.
func TestLocked(t *testing.T) {
	th, c := start(usual)
	try := from("192.0.2.1")
	try.Password, try.Lockout = th.Fingerprint("alice", "right"), 3
	for i := range 10 {
		a, err := enter(t, th, try)
		if err != nil {
			t.Fatal(err)
		}
		a.Locked()
		if got, want := waitOf(wrong(t, th, try)), min(time.Second<<i, 15*time.Minute); got != want {
			t.Errorf("%d: got %v, want %v", i, got, want)
		}
		c.pass(15 * time.Minute)
	}
}

// TestLimitsCheck: what nobody could hold to is refused.
func TestLimitsCheck(t *testing.T) {
	if err := usual.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Limits){
		"no attempts": func(l *Limits) { l.Attempts = 0 }, "many attempts": func(l *Limits) { l.Attempts = 101 },
		"no window": func(l *Limits) { l.Window = 0 }, "a week": func(l *Limits) { l.Window = 7 * 24 * time.Hour },
		"no wait": func(l *Limits) { l.FirstWait = 0 }, "a shrinking wait": func(l *Limits) { l.LongestWait = time.Millisecond },
		"no address": func(l *Limits) { l.PerAddress = 0 }, "a crowd": func(l *Limits) { l.PerAddress = 1001 },
	} {
		l := usual
		if change(&l); l.Check() == nil {
			t.Errorf("%s: %+v passes", name, l)
		}
	}
}

// TestHangingUpLeavesNoPlace: a client that leaves while the store writes its place down does
// not keep that from the account's owner.
func TestHangingUpLeavesNoPlace(t *testing.T) {
	both, s, _ := nodes(1, usual, nil)
	for range usual.Attempts {
		ctx, leave := context.WithCancel(t.Context())
		s.after = leave
		if a, err := both[0].Enter(ctx, from("192.0.2.1")); err == nil {
			a.Undecided()
		}
		leave()
	}
	s.after = nil
	a, err := enter(t, both[0], from("192.0.2.9"))
	if err != nil {
		t.Fatal(err)
	}
	a.Right("")
}
