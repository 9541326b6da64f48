package caddyntlm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/throttle"
)

// newThrottledDoor is a door with a throttle, whose clock stands still until it is
// moved.
func newThrottledDoor(t *testing.T, limits *Throttle, change func(*door)) (*door, *clock) {
	t.Helper()
	c := new(clock)
	d := prepareDoor(t, func(d *door) {
		d.now, d.dir.at = c.now, c.now
		if change != nil {
			change(d)
		}
	})
	d.throttle = throttle.New(limits.limits(), store.NewMemory(nil, c.now), throttle.NewProcess(100, c.now), d.warnStoreDown)
	d.serve(d.handler())
	return d, c
}

// wantThrottled checks a refusal, which no controller has seen.
func (a answer) wantThrottled(t testing.TB, retry string) {
	t.Helper()
	a.want(t, 429)
	if got := a.Header.Get("Retry-After"); got != retry || a.Close {
		t.Errorf("got Retry-After %q, close %v, want %q and the connection kept", got, a.Close, retry)
	}
}

// TestThrottledBasic: each wrong password doubles the wait, in which the right one is
// refused too and nobody is asked; a right one ends it; the same wrong one is not asked
// about again. E5 to E8.
func TestThrottledBasic(t *testing.T) {
	d, clock := newThrottledDoor(t, nil, nil)
	c := d.dial(t)
	c.get(basic("alice", "wrong")).want(t, 401, both...)
	for i, password := range []string{"secret-a", "other", "wrong"} {
		c.get(basic("alice", password)).wantThrottled(t, "1")
		d.wantReason(t, identity.KindThrottled)
		if got := d.dir.asked.Load(); got != 1 {
			t.Fatalf("%d: got %d questions, want 1", i, got)
		}
	}
	clock.advance(time.Second)
	c.get(basic("alice", "wrong")).want(t, 401, both...)
	if got := d.dir.asked.Load(); got != 1 {
		t.Errorf("the same wrong password: got %d questions, want 1", got)
	}
	c.get(basic("ALICE", "worse")).want(t, 401, both...)
	c.get(basic(`EXAMPLE\alice`, "secret-a")).wantThrottled(t, "2")
	clock.advance(1100 * time.Millisecond)
	c.get(basic("alice@example.com", "secret-a")).wantThrottled(t, "1")
	c.get(basic("bob", "secret-b")).wantUser(t, "bob")
	clock.advance(time.Second)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	c.get(basic("alice", "wrong")).want(t, 401, both...)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice") // remembered: nobody is asked
	d.dial(t).get(basic("alice", "secret-a")).wantThrottled(t, "1")
}

// TestThrottledNTLM: a Type 3 that is refused asks nobody, and its exchange is closed.
// The same account counts, whatever the scheme.
func TestThrottledNTLM(t *testing.T) {
	d, clock := newThrottledDoor(t, nil, func(d *door) { d.Schemes = []string{"negotiate", "ntlm", "basic"} })
	d.dial(t).get(basic("alice", "wrong")).want(t, 401, "Negotiate", "NTLM", basicChallenge)
	c := d.dial(t)
	first := c.get(type1())
	c.get(type3(first.challenge(), "alice", "secret-a")).wantThrottled(t, "1")
	if got, open := d.dir.asked.Load(), d.waiting(); got != 1 || open != 0 {
		t.Errorf("got %d questions and %d exchanges, want 1 and none", got, open)
	}
	c.get().want(t, 401, "Negotiate", "NTLM", basicChallenge)
	clock.advance(time.Second)
	c.get(type1())
	c.get(authorization("NTLM", ntlmMessage(3, "nobody can read this"))).want(t, 401, "Negotiate", "NTLM", basicChallenge)
	d.wantReason(t, identity.KindBadToken)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	known := d.dial(t)
	known.login("alice", "wrong").want(t, 401, "Negotiate", "NTLM", basicChallenge)
	c.get().wantUser(t, "alice") // established: not touched by what another connection does
	c.get(basic("alice", "secret-a")).wantThrottled(t, "1")
	c.get().wantUser(t, "alice")
	known.login("alice", "secret-a").wantThrottled(t, "1")
}

// TestThrottledSpellings: threats F-10. 200 wrong passwords at once, in many spellings,
// by two schemes, with an address told in a header, are no more at the controller than
// the limit.
func TestThrottledSpellings(t *testing.T) {
	d, _ := newThrottledDoor(t, nil, nil)
	spellings := []string{"alice", "Alice", "ALICE", `EXAMPLE\alice`, `example\ALICE`, `.\alice`, "alice@example.com", "ALICE@EXAMPLE.COM"}
	d.dir.finish = func(context.Context) error { time.Sleep(time.Millisecond); return nil }
	d.dir.verify = d.dir.finish
	var all sync.WaitGroup
	var statuses [600]atomic.Int64
	for i := range 200 {
		all.Go(func() {
			c, name := d.dial(t), spellings[i%len(spellings)]
			told := fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i)
			if i%3 == 0 {
				first := c.get(type1())
				if first.StatusCode == 401 && first.challenge() != nil {
					statuses[c.get(type3(first.challenge(), name, fmt.Sprint("wrong", i))).StatusCode].Add(1)
				}
				return
			}
			statuses[c.get(basic(name, fmt.Sprint("wrong", i)), told).StatusCode].Add(1)
		})
	}
	all.Wait()
	if got := d.dir.asked.Load(); got < 1 || got > 3 || statuses[429].Load() == 0 || statuses[200].Load() > 0 {
		t.Errorf("got %d questions, want 3 at most; %d were refused", got, statuses[429].Load())
	}
}

// TestThrottledAddress: one address has a limit over all accounts.
func TestThrottledAddress(t *testing.T) {
	d, clock := newThrottledDoor(t, &Throttle{PerAddress: 5}, nil)
	c := d.dial(t)
	c.get(basic("bob", "secret-b")).wantUser(t, "bob")
	for i := range 5 {
		c.get(basic(fmt.Sprint("user", i), "wrong")).want(t, 401, both...)
	}
	c.get(basic("alice", "secret-a")).wantThrottled(t, "600")
	other := d.dial(t)
	other.get(basic("bob", "secret-b")).wantUser(t, "bob") // known there
	clock.advance(10 * time.Minute)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	registry := prometheus.NewRegistry()
	registry.MustRegister(d.meter.metrics)
	if got := figure(t, registry, "caddy_windows_auth_throttled_total", "limit=address", "directory=EXAMPLE"); got != 1 {
		t.Errorf("got %v refusals counted, want 1", got)
	}
}

// TestControllerFailuresCountNothing: nor do answers that prove the password, and a
// locked account waits.
func TestControllerFailuresCountNothing(t *testing.T) {
	d, clock := newThrottledDoor(t, nil, nil)
	for _, kind := range identity.Kinds() {
		d.dir.failures["alice"] = &identity.Error{Kind: kind, Proven: tellable[kind] != ""}
		clock.advance(20 * time.Minute)
		for range 6 {
			_ = d.dial(t).get(basic("alice", "secret-a"))
		}
		d.dir.mu.Lock()
		delete(d.dir.failures, "alice")
		d.dir.mu.Unlock()
		got := d.dial(t).get(basic("alice", "secret-a")).StatusCode
		want := 200
		switch kind {
		case identity.KindBadCredentials, identity.KindAmbiguous, identity.KindGuestMapped, identity.KindLocked, identity.KindEtype:
			want = 429
		}
		if got != want {
			t.Errorf("%v: got %d, want %d", kind, got, want)
		}
	}
}

// TestSaidOfAnyPassword: what a controller says of an account before it has seen the password
// costs a guesser the same first wait as an account that is not there. F-09.
func TestSaidOfAnyPassword(t *testing.T) {
	d, clock := newThrottledDoor(t, nil, nil)
	for kind := range tellable {
		clock.advance(30 * time.Minute)
		d.dir.mu.Lock()
		d.dir.failures["alice"] = identity.Fail(kind, nil)
		d.dir.mu.Unlock()
		for _, name := range []string{"alice", "nobody"} {
			d.dial(t).get(basic(name, "guess of "+kind.String())).want(t, 401, both...)
			d.dial(t).get(basic(name, "next")).wantThrottled(t, "1")
		}
	}
}

// TestEveryKindHasAVerdict: the table is complete.
func TestEveryKindHasAVerdict(t *testing.T) {
	for _, kind := range identity.Kinds() {
		if _, ok := verdicts[kind]; !ok {
			t.Errorf("%v says nothing of whether it says something", kind)
		}
	}
	if len(verdicts) != len(identity.Kinds()) {
		t.Errorf("got %d verdicts, want %d", len(verdicts), len(identity.Kinds()))
	}
}

// TestHangingUpCounts: who leaves before the answer has guessed all the same; the
// question goes on to its end.
func TestHangingUpCounts(t *testing.T) {
	for name, ask := range map[string]func(*client){
		"password": func(c *client) { c.send("GET", "/", "", basic("alice", "wrong")) },
		"NTLM": func(c *client) {
			c.send("GET", "/", "", type3(c.get(type1()).challenge(), "alice", "wrong"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := newThrottledDoor(t, nil, nil)
			asked, goOn := make(chan struct{}), make(chan struct{})
			hang := func(ctx context.Context) error {
				close(asked)
				select {
				case <-goOn:
				case <-ctx.Done():
					return identity.Fail(identity.KindTimeout, ctx.Err())
				}
				return nil
			}
			d.dir.verify, d.dir.finish = hang, hang
			c := d.dial(t)
			ask(c)
			<-asked
			_ = c.nc.Close()
			time.Sleep(50 * time.Millisecond)
			close(goOn)
			for deadline := time.Now().Add(5 * time.Second); d.dir.asked.Load() == 0 || d.asking.taken.Load() > 0 || d.waiting() > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the question did not go on")
				}
			}
			d.dir.verify, d.dir.finish = nil, nil
			d.dial(t).get(basic("alice", "secret-a")).wantThrottled(t, "1")
		})
	}
}

// TestRenewalIsNotThrottled: a remembered log-in by Basic whose time has come is
// renewed without the password while somebody guesses from the same address, and
// without a service account it is refused and not forgotten.
func TestRenewalIsNotThrottled(t *testing.T) {
	d, clock := newThrottledDoor(t, nil, nil)
	c := d.dial(t)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	clock.advance(6 * time.Minute)
	d.dial(t).get(basic("alice", "wrong")).want(t, 401, both...)
	asked := d.dir.asked.Load()
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	if got := d.dir.refreshed.Load(); got != 1 || d.dir.asked.Load() != asked {
		t.Errorf("got %d look-ups and %d questions, want one look-up", got, d.dir.asked.Load()-asked)
	}
	clock.advance(6 * time.Minute)
	d.dial(t).get(basic("alice", "worse")).want(t, 401, both...)
	d.refreshFails(identity.KindCannotRefresh)
	c.get(basic("alice", "secret-a")).wantThrottled(t, "2")
	clock.advance(2 * time.Second)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
}

// finding is a fakeDirectory that knows which account a name means.
type finding struct {
	*fakeDirectory
	sought identity.Sought
}

func (f *finding) FindAccount(context.Context, identity.Name) identity.Sought { return f.sought }

// TestSought: the directory says which account a name means and when it is locked; else
// the name stands for it. A SID is one account's in all directories.
func TestSought(t *testing.T) {
	plain := newFakeDirectory("EXAMPLE")
	finder := &finding{newFakeDirectory("SECOND"), identity.Sought{Account: "S-1-5-21-1-2-3-1000", Threshold: 3, Observation: time.Hour}}
	h := &Handler{directories: []directory{plain, finder}}
	h.finders = accountFinders(h.directories)
	for typed, want := range map[string]string{
		"alice": "ALICE", `EXAMPLE\Alice`: "ALICE", "alice@example.com": "ALICE", `OTHER\alice`: "ALICE",
	} {
		if got := h.sought(t.Context(), plain, identity.ParseName(typed)); got.Account != want || got.Threshold != 0 {
			t.Errorf("%s: got %+v, want %s", typed, got, want)
		}
	}
	if got := h.sought(t.Context(), finder, identity.ParseName("alice")); got != finder.sought {
		t.Errorf("got %+v, want %+v", got, finder.sought)
	}
	if countedAs(plain, "S-1-5-21-1-2-3-1000") != countedAs(finder, "S-1-5-21-1-2-3-1000") || countedAs(plain, "ALICE") == countedAs(finder, "ALICE") {
		t.Error("accounts are not told apart by what is theirs")
	}
}

// TestThrottledLog: one line a minute for each who is refused, with whose limit it is,
// for how long, and what to do.
func TestThrottledLog(t *testing.T) {
	d, clock := newThrottledDoor(t, nil, nil)
	c := d.dial(t)
	c.get(basic("alice", "wrong"))
	for range 10 {
		c.get(basic("alice", "secret-a")).wantThrottled(t, "1")
	}
	shown := 0
	for _, line := range d.logs.FilterMessage(decision).All() {
		fields := line.ContextMap()
		if fields["reason"] != identity.KindThrottled.String() || line.Level < zapcore.InfoLevel {
			continue
		}
		shown++
		text := fmt.Sprint(fields["error"], fields["hint"], fields["user_claimed"])
		for _, want := range []string{"for this account", "not before 1s", "ends by itself", "alice"} {
			if !strings.Contains(text, want) {
				t.Errorf("got %q, want %q in it", text, want)
			}
		}
	}
	if shown != 1 {
		t.Errorf("got %d lines, want 1", shown)
	}
	clock.advance(time.Minute)
}

// TestThrottleConfiguration: defaults, and what is refused.
func TestThrottleConfiguration(t *testing.T) {
	want := throttle.Limits{Attempts: 3, Window: 10 * time.Minute, FirstWait: time.Second, LongestWait: 15 * time.Minute, PerAddress: 20}
	for name, got := range map[string]*Throttle{"nothing": nil, "empty": {}, "a part": {Attempts: 3}} {
		if got.check() != nil || got.limits() != want || got.isOff() {
			t.Errorf("%s: got %+v, want %+v", name, got.limits(), want)
		}
	}
	for name, wrong := range map[string]*Throttle{
		"off and more": {Off: true, Attempts: 3}, "a window": {Window: caddy.Duration(48 * time.Hour)}, "less than nothing": {Attempts: -1},
		"a wait": {Backoff: &Backoff{First: caddy.Duration(time.Hour), Longest: caddy.Duration(time.Minute)}}, "an address": {PerAddress: 5000},
	} {
		if wrong.check() == nil {
			t.Errorf("%s: %+v passes", name, wrong)
		}
	}
}

// TestUnasked: a store that fails otherwise than by being down is nobody's password.
func TestUnasked(t *testing.T) {
	d, _ := newThrottledDoor(t, nil, nil)
	v := &visit{door: d.Handler, from: d.dir}
	for name, c := range map[string]struct {
		err  error
		kind identity.Kind
	}{
		"too large": {store.ErrTooLarge, identity.KindStore},
		"late":      {context.DeadlineExceeded, identity.KindTimeout},
		"refused":   {&throttle.Refused{Wait: time.Second, Whose: throttle.OfAddress}, identity.KindThrottled},
		"wrong":     {throttle.ErrKnownWrong, identity.KindBadCredentials},
	} {
		if got := kindOf(v.unasked(c.err, identity.Name{User: "alice"})); got != c.kind {
			t.Errorf("%s: got %v, want %v", name, got, c.kind)
		}
	}
	if got := throttledFor(errors.New("other")); got != "1" {
		t.Errorf("got %s", got)
	}
	if got := throttledFor(fmt.Errorf("more: %w", &throttle.Refused{Wait: 1500 * time.Millisecond})); got != "2" {
		t.Errorf("got %s", got)
	}
}
