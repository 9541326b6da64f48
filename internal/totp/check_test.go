package totp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// clock is a time that a test moves.
type clock struct{ unix atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.unix.Store(1_700_000_010)
	return c
}

func (c *clock) now() time.Time          { return time.Unix(c.unix.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.unix.Add(int64(d / time.Second)) }

func mustCode(t rapid.TB, f *Factor, at time.Time) string {
	code, err := f.Code(at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// wrongCode is a code that a factor has in none of the steps around now.
func wrongCode(f *Factor, now time.Time) string {
	for i := 0; ; i++ {
		code := fmt.Sprintf("%0*d", f.digits, i)
		if _, ok, err := f.find(code, now); !ok && err == nil {
			return code
		}
	}
}

func newFactor(seed string) *Factor {
	return factorOf(seed+"0123456789", otp.AlgorithmSHA1, 6, 30*time.Second)
}

// F-06: the same step, an adjacent one, with spaces.
func TestCodeIsGoodOnce(t *testing.T) {
	c, f := newClock(), newFactor("a")
	node := New(store.NewMemory(nil, c.now), c.now)
	check := func(typed string, want error) {
		t.Helper()
		if err := node.Check(t.Context(), "alice", []*Factor{f}, typed); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%q: got %v, want %v", typed, err, want)
		}
	}
	before, now, after := mustCode(t, f, c.now().Add(-30*time.Second)), mustCode(t, f, c.now()), mustCode(t, f, c.now().Add(30*time.Second))
	check(mustCode(t, f, c.now().Add(-time.Minute)), ErrWrong)
	check(mustCode(t, f, c.now().Add(time.Minute)), ErrWrong)
	check(now, nil)
	check(now, ErrSpent)
	check(now[:3]+" "+now[3:], ErrSpent)
	check(before, ErrSpent) // an older one after a newer one
	check(after, nil)
	check(after, ErrSpent)
	if err := node.Check(t.Context(), "bob", []*Factor{f}, now); err != nil {
		t.Errorf("somebody else with the same secret: got %v", err)
	}
	check(mustCode(t, f, c.now().Add(time.Minute)), ErrWrong) // counted: the third
	c.advance(time.Minute)
	check(mustCode(t, f, c.now()), nil)
}

// A code that two steps in a row happen to have is good once all the same.
func TestCodeOfTwoSteps(t *testing.T) {
	const step = 850169 // whose code of this factor the next one has too
	c, f := new(clock), newFactor("a")
	c.unix.Store(step*30 + 10)
	code := mustCode(t, f, c.now())
	if next := mustCode(t, f, c.now().Add(30*time.Second)); next != code {
		t.Fatalf("got %s after %s, want the same", next, code)
	}
	node := New(store.NewMemory(nil, c.now), c.now)
	for _, want := range []error{nil, ErrSpent} {
		if err := node.Check(t.Context(), "alice", []*Factor{f}, code); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	for later := 1; later <= 2; later++ { // in the last the first of the two steps is over
		c.advance(30 * time.Second)
		if err := node.Check(t.Context(), "alice", []*Factor{f}, code); !errors.Is(err, ErrSpent) {
			t.Errorf("%d steps later: got %v, want %v", later, err, ErrSpent)
		}
	}
}

// F-06: 50 at a time over two nodes.
func TestCodeIsGoodOnceAtATime(t *testing.T) {
	c, f := newClock(), newFactor("a")
	shared := store.NewMemory(nil, c.now)
	nodes := [2]*Checker{New(shared, c.now), New(shared, c.now)}
	code := mustCode(t, f, c.now())
	var accepted, spent atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			switch err := nodes[i%2].Check(t.Context(), "alice", []*Factor{f}, code); {
			case err == nil:
				accepted.Add(1)
			case errors.Is(err, ErrSpent):
				spent.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 1 || spent.Load() != 49 {
		t.Errorf("got %d accepted and %d spent, want 1 and 49", accepted.Load(), spent.Load())
	}
}

// F-07: 50 guesses at a time are 50 guesses, and a right one then opens nothing.
func TestGuessesAreBounded(t *testing.T) {
	c, f := newClock(), newFactor("a")
	node := New(store.NewMemory(nil, c.now), c.now)
	bad := wrongCode(f, c.now())
	var wrong, capped atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch err := node.Check(t.Context(), "alice", []*Factor{f}, bad); {
			case errors.Is(err, ErrWrong):
				wrong.Add(1)
			case errors.Is(err, ErrTooMany):
				capped.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if wrong.Load() != MostWrong || capped.Load() != 50-MostWrong {
		t.Errorf("got %d wrong and %d capped, want %d and %d", wrong.Load(), capped.Load(), MostWrong, 50-MostWrong)
	}
	right := func() error {
		return node.Check(t.Context(), "alice", []*Factor{f}, mustCode(t, f, c.now()))
	}
	if err := right(); !errors.Is(err, ErrTooMany) {
		t.Errorf("a right code: got %v, want %v", err, ErrTooMany)
	}
	if err := node.Check(t.Context(), "bob", []*Factor{f}, mustCode(t, f, c.now())); err != nil {
		t.Errorf("somebody else: got %v", err)
	}
	c.advance(Within - time.Second)
	if err := right(); !errors.Is(err, ErrTooMany) {
		t.Errorf("a second before the end: got %v, want %v", err, ErrTooMany)
	}
	c.advance(time.Second)
	if err := right(); err != nil {
		t.Errorf("at the end: got %v", err)
	}
}

// An administrator has somebody's wrong codes forgotten, and nothing of what is spent.
func TestForgive(t *testing.T) {
	c, f := newClock(), newFactor("a")
	memory := store.NewMemory(nil, c.now)
	node := New(memory, c.now)
	spent := mustCode(t, f, c.now())
	if err := node.Check(t.Context(), "alice", []*Factor{f}, spent); err != nil {
		t.Fatal(err)
	}
	for range MostWrong {
		_ = node.Check(t.Context(), "alice", []*Factor{f}, wrongCode(f, c.now()))
	}
	for _, account := range []string{"bob", "alice"} {
		if err := node.Check(t.Context(), "alice", []*Factor{f}, spent); !errors.Is(err, ErrTooMany) {
			t.Errorf("before alice is forgiven: got %v, want %v", err, ErrTooMany)
		}
		if err := node.Forgive(t.Context(), account); err != nil {
			t.Errorf("%s: got %v", account, err)
		}
	}
	if err := node.Check(t.Context(), "alice", []*Factor{f}, spent); !errors.Is(err, ErrSpent) {
		t.Errorf("a spent code: got %v, want %v", err, ErrSpent)
	}
	c.advance(30 * time.Second)
	if err := node.Check(t.Context(), "alice", []*Factor{f}, mustCode(t, f, c.now())); err != nil {
		t.Errorf("the next one: got %v", err)
	}
	if value, err := memory.Get(t.Context(), key("bob")); value != nil || err != nil {
		t.Errorf("got a record %q of somebody who has sent no code, %v", value, err)
	}
}

// Two devices: each one's codes are good, and never one of an earlier time than was
// spent, of whichever device.
func TestSeveralDevices(t *testing.T) {
	c := newClock()
	phone, token := newFactor("a"), factorOf("another0123456789", otp.AlgorithmSHA256, 6, time.Minute)
	both := []*Factor{phone, token}
	node := New(store.NewMemory(nil, c.now), c.now)
	check := func(code string, want error) {
		t.Helper()
		if err := node.Check(t.Context(), "alice", both, code); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	check(mustCode(t, phone, c.now()), nil)
	check(mustCode(t, token, c.now()), ErrSpent) // its minute began before the phone's step ended
	c.advance(time.Minute)
	check(mustCode(t, token, c.now()), nil)
	check(mustCode(t, phone, c.now()), ErrSpent)
}

func TestNoFactorAndNoCode(t *testing.T) {
	c, f := newClock(), newFactor("a")
	memory := store.NewMemory(nil, c.now)
	node := New(memory, c.now)
	if err := node.Check(t.Context(), "alice", nil, "123456"); !errors.Is(err, ErrNone) {
		t.Errorf("nothing enrolled: got %v", err)
	}
	for range 2 * MostWrong {
		for _, typed := range []string{"", "12345", "password", strings.Repeat("1", 1<<16)} {
			if err := node.Check(t.Context(), "alice", []*Factor{f}, typed); !errors.Is(err, ErrWrong) {
				t.Errorf("%.10q: got %v, want %v", typed, err, ErrWrong)
			}
		}
	}
	if err := node.Check(t.Context(), "alice", []*Factor{f}, mustCode(t, f, c.now())); err != nil {
		t.Errorf("what is no code was counted as a guess: %v", err)
	}
	if err := node.Check(t.Context(), strings.Repeat("CN=x,", 1000), []*Factor{f}, mustCode(t, f, c.now())); err != nil {
		t.Errorf("a name longer than a store takes: %v", err)
	}
}

// brokenStore fails before or after it has done what was asked.
type brokenStore struct {
	store.Store
	after bool
}

func (b brokenStore) Update(ctx context.Context, key store.Key, change store.Change) error {
	if b.after {
		if err := b.Store.Update(ctx, key, change); err != nil {
			return err
		}
	}
	return fmt.Errorf("writing: %w", store.ErrDown)
}

// A store that is down accepts nothing, whether it has heard or not.
func TestStoreDown(t *testing.T) {
	c, f := newClock(), newFactor("a")
	memory := store.NewMemory(nil, c.now)
	for _, after := range []bool{false, true} {
		node := New(brokenStore{memory, after}, c.now)
		if err := node.Check(t.Context(), "alice", []*Factor{f}, mustCode(t, f, c.now())); !errors.Is(err, store.ErrDown) {
			t.Errorf("after %t: got %v, want %v", after, err, store.ErrDown)
		}
	}
	if err := New(memory, c.now).Check(t.Context(), "alice", []*Factor{f}, mustCode(t, f, c.now())); !errors.Is(err, ErrSpent) {
		t.Errorf("got %v, want a code that is spent though nobody was told", err)
	}
}

// What is no record accepts nothing.
func TestForeignRecord(t *testing.T) {
	c, f := newClock(), newFactor("a")
	memory := store.NewMemory(nil, c.now)
	if _, err := store.Once(t.Context(), memory, key("alice"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := memory.Update(t.Context(), key("bob"), func([]byte) ([]byte, time.Duration, error) { return []byte("{"), time.Hour, nil }); err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"alice", "bob"} {
		if err := New(memory, c.now).Check(t.Context(), account, []*Factor{f}, mustCode(t, f, c.now())); !errors.Is(err, errRecord) {
			t.Errorf("%s: got %v, want %v", account, err, errRecord)
		}
	}
}

// FuzzRecord: any bytes in the store lead to an answer, and never let more guesses
// through than the bound.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"spent":1700000010,"wrong":[1,2,1700000000,1800000000]}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`null`))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, factor := newClock(), newFactor("a")
		memory := store.NewMemory(nil, c.now)
		if err := memory.Update(t.Context(), key("alice"), func([]byte) ([]byte, time.Duration, error) { return raw, time.Hour, nil }); err != nil {
			if !errors.Is(err, store.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			return // no store holds it
		}
		node, wrong := New(memory, c.now), 0
		for range 2 * MostWrong {
			if errors.Is(node.Check(t.Context(), "alice", []*Factor{factor}, wrongCode(factor, c.now())), ErrWrong) {
				wrong++
			}
		}
		if wrong > MostWrong {
			t.Errorf("got %d guesses, want at most %d", wrong, MostWrong)
		}
	})
}
