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

	"go.uber.org/goleak"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a test's.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var usual = Limits{
	Attempts: 3, Window: 10 * time.Minute, FirstWait: time.Second, LongestWait: 15 * time.Minute,
	PerAddress: 20,
}

func start(l Limits) (*Throttle, *clock) {
	c := &clock{now: time.Unix(1_800_000_000, 0)}
	return New(l, store.NewMemory(nil, c.read), NewProcess(1000, c.read), nil), c
}

func from(address string) Try { return Try{Account: "alice", Address: netip.MustParseAddr(address)} }

// enter is Enter that must not wait.
func enter(t *testing.T, th *Throttle, try Try) (*Attempt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	a, err := th.Enter(ctx, try)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v waits", try)
	}
	return a, err
}

func wrong(t *testing.T, th *Throttle, try Try) error {
	t.Helper()
	a, err := enter(t, th, try)
	if err == nil {
		a.Wrong()
	}
	return err
}

func waitOf(err error) time.Duration {
	if r, ok := errors.AsType[*Refused](err); ok {
		return r.Wait
	}
	return 0
}

// TestWaits: each wrong password doubles the wait, during which nothing is taken; the
// window is longer than the first waits, and the longest wait than the window.
func TestWaits(t *testing.T) {
	th, c := start(usual)
	for i, want := range []time.Duration{time.Second, 2 * time.Second} {
		if err := wrong(t, th, from("192.0.2.1")); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if got := waitOf(wrong(t, th, from("192.0.2.1"))); got != want {
			t.Errorf("%d: got %v, want %v", i, got, want)
		}
		c.pass(want)
	}
	if err := wrong(t, th, from("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	c.pass(4 * time.Second)
	if got, want := waitOf(wrong(t, th, from("192.0.2.9"))), 10*time.Minute-7*time.Second; got != want {
		t.Errorf("three wrong ones: got %v, want %v, from any address", got, want)
	}
	for i := range 12 { // by now the wait is longer than any window
		c.pass(15 * time.Minute)
		if err := wrong(t, th, from("192.0.2.1")); err != nil {
			t.Fatalf("after the longest wait, %d: %v", i, err)
		}
	}
	if got := waitOf(wrong(t, th, from("192.0.2.1"))); got != 15*time.Minute {
		t.Errorf("got %v, want the longest wait", got)
	}
	c.pass(25 * time.Minute)
	if err := wrong(t, th, from("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if got := waitOf(wrong(t, th, from("192.0.2.1"))); got != time.Second {
		t.Errorf("after a quiet time: got %v, want %v", got, time.Second)
	}
}

// TestRightPassword: it is refused during the wait, and ends it afterwards.
func TestRightPassword(t *testing.T) {
	th, c := start(usual)
	for range 2 {
		if err := wrong(t, th, from("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
		c.pass(2 * time.Second)
	}
	a, err := enter(t, th, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	a.Right("")
	a.Wrong() // it has ended
	for range 2 {
		if err := wrong(t, th, from("192.0.2.1")); err != nil {
			t.Errorf("after a right password: %v", err)
		}
		c.pass(time.Second)
	}
}

// TestRightForgetsNothingYounger: threats F-11. A wrong password that was told while a
// right one was asked about may stand behind that at the controller, and goes on to count.
func TestRightForgetsNothingYounger(t *testing.T) {
	th, c := start(usual)
	try := from("192.0.2.1")
	try.Lockout = 4
	right, err := enter(t, th, try)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Millisecond)
	if err := wrong(t, th, try); err != nil {
		t.Fatal(err)
	}
	right.Right("")
	for range 2 {
		if err := wrong(t, th, try); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Minute)
	}
	if err := wrong(t, th, try); waitOf(err) == 0 {
		t.Errorf("got %v, want the one that locks refused", err)
	}
}

// TestOwnBudget: threats F-11. An attack from elsewhere shuts nobody out where the
// account has logged in within a day, and those log-ins give the attack nothing.
func TestOwnBudget(t *testing.T) {
	th, c := start(usual)
	home := from("192.0.2.1")
	login := func() error {
		a, err := enter(t, th, home)
		if err == nil {
			a.Right("")
		}
		return err
	}
	if err := login(); err != nil {
		t.Fatal(err)
	}
	reached := 0
	for i := range 500 {
		c.pass(time.Second)
		if wrong(t, th, from(fmt.Sprintf("198.51.100.%d", i%250))) == nil {
			reached++
		}
		if err := login(); err != nil {
			t.Fatalf("after %d attempts: %v", i, err)
		}
	}
	if reached != usual.Attempts {
		t.Errorf("got %d wrong passwords at the controller, want %d", reached, usual.Attempts)
	}
	c.pass(KnownFor)
	for range usual.Attempts {
		_ = wrong(t, th, from("198.51.100.1"))
		c.pass(5 * time.Second)
	}
	if waitOf(login()) == 0 {
		t.Error("known after a day")
	}
}

// TestLockout: threats F-11. One less than lock the account reach the controllers,
// however they are spread; the last is kept for where its owner is known.
func TestLockout(t *testing.T) {
	for lockout := 2; lockout <= 6; lockout++ {
		for _, known := range []bool{false, true} {
			th, c := start(Limits{Attempts: 100, Window: time.Minute, PerAddress: 1000, FirstWait: 1, LongestWait: 1})
			home := from("192.0.2.1")
			home.Lockout, home.Observation = lockout, 30*time.Minute
			if known {
				a, err := enter(t, th, home)
				if err != nil {
					t.Fatal(err)
				}
				a.Right("")
			}
			reached := 0
			for i := range 29 {
				try := home
				try.Address = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
				if wrong(t, th, try) == nil {
					reached++
				}
				c.pass(time.Minute)
			}
			if want := max(lockout-2, 1); reached != want { // the last is for the owner, and nobody sees whether there is one
				t.Errorf("threshold %d, known %v: got %d, want %d", lockout, known, reached, want)
			}
			if a, err := enter(t, th, home); known && lockout > 2 {
				if err != nil {
					t.Errorf("threshold %d: its owner: %v", lockout, err)
				} else {
					a.Wrong()
				}
			}
			if got := wrong(t, th, home); got == nil {
				t.Errorf("threshold %d, known %v: the one that locks was let through", lockout, known)
			}
		}
	}
}

// TestDomainThatLocksNobody: how long a domain counts is nothing to us where it locks
// nobody, and who is told to wait is told how long he has to.
func TestDomainThatLocksNobody(t *testing.T) {
	th, c := start(Limits{Attempts: 3, Window: 20 * time.Second, FirstWait: time.Second, LongestWait: 2 * time.Second, PerAddress: 20})
	try := from("192.0.2.1")
	try.Observation = 10 * time.Minute
	for range 3 {
		if err := wrong(t, th, try); err != nil {
			t.Fatal(err)
		}
		c.pass(2 * time.Second)
	}
	c.pass(-2 * time.Second) // the last wait has just begun
	_, err := enter(t, th, try)
	if got := waitOf(err); got != 16*time.Second {
		t.Errorf("got %v, want a wait of 16s, until the first of three is old", err)
	}
	c.pass(16 * time.Second)
	if _, err := enter(t, th, try); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

// TestParallel: threats F-10. Attempts at once count as those one after another: no
// more than the limit reach the controller, and where the password is right all get in.
func TestParallel(t *testing.T) {
	for name, right := range map[string]bool{"wrong": false, "right": true} {
		t.Run(name, func(t *testing.T) {
			th, _ := start(usual)
			var asked, now, most, in atomic.Int64
			var all sync.WaitGroup
			for i := range 200 {
				all.Go(func() {
					try := from(fmt.Sprintf("192.0.2.%d", i%2))
					if i%3 == 0 {
						try.Password = th.Fingerprint("alice", fmt.Sprint(i))
					}
					a, err := th.Enter(t.Context(), try)
					if err != nil {
						return
					}
					asked.Add(1)
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(time.Millisecond)
					now.Add(-1)
					if right {
						in.Add(1)
						a.Right("")
					} else {
						a.Wrong()
					}
				})
			}
			all.Wait()
			if p := th.process; len(p.turns)+len(p.bells)+len(p.claims) > 0 {
				t.Errorf("left behind: %v, %v, %v", p.turns, p.bells, p.claims)
			}
			if right && in.Load() != 200 || !right && asked.Load() > int64(usual.Attempts) {
				t.Errorf("got %d asked and %d in", asked.Load(), in.Load())
			}
		})
	}
}

// TestSamePassword: it is asked about once in a window, and never twice at a time; a
// right one as often as it comes.
func TestSamePassword(t *testing.T) {
	th, c := start(usual)
	try := from("192.0.2.1")
	try.Password = th.Fingerprint("alice", "old")
	if err := wrong(t, th, try); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Second)
	for range 100 {
		if err := wrong(t, th, try); !errors.Is(err, ErrKnownWrong) {
			t.Fatalf("got %v, want %v", err, ErrKnownWrong)
		}
	}
	try.Password = th.Fingerprint("alice", "new")
	first, err := enter(t, th, try)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		a, err := th.Enter(t.Context(), try)
		if err == nil {
			a.Right("")
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("the same password twice at a time: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	first.Right("")
	if err := <-second; err != nil {
		t.Errorf("after it was right: %v", err)
	}
	if th.Fingerprint("alice", "x") == th.Fingerprint("alic", "ex") {
		t.Error("two accounts have one fingerprint")
	}
}

// TestAddress: one address has its limit over all accounts, IPv6 by its network; where
// an account is known it does not count.
func TestAddress(t *testing.T) {
	th, c := start(Limits{Attempts: 3, Window: 10 * time.Minute, PerAddress: 20, FirstWait: 1, LongestWait: 1})
	a, err := enter(t, th, from("2001:db8:1:1::1"))
	if err != nil {
		t.Fatal(err)
	}
	a.Right("")
	reached := 0
	for i := range 100 {
		try := Try{Account: fmt.Sprint("user", i), Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:1:1::%x", i+1))}
		if wrong(t, th, try) == nil {
			reached++
		}
	}
	if reached != 20 {
		t.Errorf("got %d from one network, want 20", reached)
	}
	_, err = enter(t, th, Try{Account: "bob", Address: netip.MustParseAddr("2001:db8:1:1::ffff")})
	if r, ok := errors.AsType[*Refused](err); !ok || r.Whose != OfAddress || r.Wait != 10*time.Minute {
		t.Errorf("got %v, want the address refused for the window", err)
	}
	if err := wrong(t, th, from("2001:db8:1:1::2")); err != nil {
		t.Errorf("known there: %v", err)
	}
	if err := wrong(t, th, Try{Account: "bob", Address: netip.MustParseAddr("2001:db8:1:2::1")}); err != nil {
		t.Errorf("from the next network: %v", err)
	}
	c.pass(10 * time.Minute)
	if err := wrong(t, th, Try{Account: "carol", Address: netip.MustParseAddr("::ffff:192.0.2.1")}); err != nil {
		t.Error(err)
	}
	if got, want := NetworkOf(netip.MustParseAddr("::ffff:192.0.2.1")), netip.MustParseAddr("192.0.2.1"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestUndecided: a controller that says nothing of the password counts nothing, and
// whoever waited goes on.
func TestUndecided(t *testing.T) {
	th, _ := start(usual)
	for range 50 {
		a, err := enter(t, th, from("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		a.Undecided()
	}
	var held []*Attempt
	for range usual.Attempts {
		a, err := enter(t, th, from("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, a)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := th.Enter(ctx, from("192.0.2.1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("all places taken: got %v, want it to wait", err)
	}
	held[0].Undecided()
	if a, err := enter(t, th, from("192.0.2.1")); err != nil {
		t.Error(err)
	} else {
		a.Undecided()
	}
}

// TestLongMemory: a domain that forgets a wrong password after days, or never, has it counted
// here as long, whatever is noted of the account meanwhile.
func TestLongMemory(t *testing.T) {
	for name, note := range map[string]func(*Throttle){
		"nothing": func(*Throttle) {},
		"known":   func(th *Throttle) { th.Known(t.Context(), "alice", netip.MustParseAddr("198.51.100.7")) },
		"looked at without the policy": func(th *Throttle) {
			if a, err := enter(t, th, from("192.0.2.1")); err == nil {
				a.Undecided()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			th, c := start(usual)
			try := from("192.0.2.1")
			try.Lockout, try.Observation = 4, longestObservation
			for range 2 {
				if err := wrong(t, th, try); err != nil {
					t.Fatal(err)
				}
				c.pass(time.Minute)
			}
			note(th)
			c.pass(20 * 24 * time.Hour)
			if err := wrong(t, th, try); waitOf(err) == 0 {
				t.Errorf("got %v, want the one that locks refused", err)
			}
		})
	}
}

// TestForgive: an administrator lets an account try again at once.
func TestForgive(t *testing.T) {
	th, _ := start(usual)
	try := from("192.0.2.1")
	try.Password = th.Fingerprint("alice", "old")
	if err := wrong(t, th, try); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "nobody"} {
		if err := th.Forgive(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := wrong(t, th, try); err != nil {
		t.Errorf("got %v, want it asked again", err)
	}
}
