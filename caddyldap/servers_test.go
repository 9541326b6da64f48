package caddyldap

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// fleet is a list of servers without a network: which are up is decided here,
// the clock is moved by hand, and the background runs when told.
type fleet struct {
	*servers
	clock time.Time
	up    []bool
	dials []int // indices, in order
	later []func(context.Context)
}

func newFleet(n int) *fleet {
	f := &fleet{clock: time.Unix(1e9, 0), up: make([]bool, n), servers: &servers{last: identity.Fail(identity.KindUnavailable, nil)}}
	for range n {
		f.list = append(f.list, new(server))
	}
	f.current = f.list[0]
	f.turn = func(*server, error) {}
	f.now = func() time.Time { return f.clock }
	f.servers.dial = func(_ context.Context, sv *server) (*conn, error) {
		i := slices.Index(f.list, sv)
		f.dials = append(f.dials, i)
		if !f.up[i] {
			return nil, identity.Fail(identity.KindUnavailable, nil)
		}
		return &conn{server: sv}, nil
	}
	f.probe = func(_ context.Context, sv *server) error {
		if !f.up[slices.Index(f.list, sv)] {
			return identity.Fail(identity.KindUnavailable, nil)
		}
		return nil
	}
	f.spawn = func(run func(context.Context)) { f.later = append(f.later, run) }
	return f
}

func (f *fleet) background() {
	for len(f.later) > 0 {
		run := f.later[0]
		f.later = f.later[1:]
		run(context.Background())
	}
}

// ask returns who answered, -1 for nobody, and whom it dialled.
func (f *fleet) ask() (who int, dials []int, err error) {
	f.dials, who = nil, -1
	err = f.try(context.Background(), func(_ context.Context, c *conn) error {
		who = slices.Index(f.list, c.server)
		return nil
	})
	return who, f.dials, err
}

func TestServersStick(t *testing.T) {
	f := newFleet(2)
	step := func(what string, who int, dials ...int) {
		t.Helper()
		if got, dialled, err := f.ask(); got != who || !slices.Equal(dialled, dials) || (err == nil) != (who >= 0) {
			t.Errorf("%s: got %d by %v (%v), want %d by %v", what, got, dialled, err, who, dials)
		}
	}
	f.up[0], f.up[1] = true, true
	step("preference", 0, 0)
	f.up[0] = false
	step("the first fails", 1, 0, 1)
	step("the second sticks", 1, 1)
	f.up[0] = true
	f.clock = f.clock.Add(firstBackoff)
	step("the first is looked at in the background", 1, 1)
	f.background()
	step("the second sticks still", 1, 1)
	f.up[1] = false
	step("back to the first", 0, 1, 0)
	f.up[0] = false
	step("the first fails, and the one aside is asked", -1, 0, 1)
	step("nobody is asked again so soon", -1)
	f.up[1] = true
	f.clock = f.clock.Add(sweepPause)
	step("recovery", 1, 0, 1)
}

func TestServersGetTheirChanceInTheSameCall(t *testing.T) {
	f := newFleet(2)
	f.up[1] = true
	f.ask() // the first is aside
	f.up[0], f.up[1] = true, false
	if who, dials, _ := f.ask(); who != 0 || !slices.Equal(dials, []int{1, 0}) {
		t.Errorf("got %d by %v", who, dials)
	}
}

func TestServersKeepOneThatAClientMadeFail(t *testing.T) {
	f := newFleet(1)
	f.up[0] = true
	hungUp := identity.Fail(identity.KindUnavailable, errors.New("hung up"))
	for range 5 {
		if err := f.try(context.Background(), func(context.Context, *conn) error { return hungUp }); err == nil {
			t.Fatal("got no error")
		}
	}
	if who, _, _ := f.ask(); who != 0 {
		t.Error("the server is aside")
	}
	f.up[0] = false
	f.background()
	if _, dials, err := f.ask(); err == nil || len(dials) != 1 {
		t.Errorf("got %v by %v: a server that fails a look is aside", err, dials)
	}
}

func TestServersAnswerIsFinal(t *testing.T) {
	f := newFleet(2)
	f.up[0], f.up[1] = true, true
	wrong := identity.Fail(identity.KindBadCredentials, nil)
	calls := 0
	err := f.try(context.Background(), func(context.Context, *conn) error { calls++; return wrong })
	if !errors.Is(err, wrong) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestServersBackoff(t *testing.T) {
	want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
	for i, seconds := range want {
		if got := backoff(i + 1); got != seconds*time.Second {
			t.Errorf("failure %d: got %v, want %v", i+1, got, seconds*time.Second)
		}
	}
	if got := backoff(1000); got != lastBackoff {
		t.Errorf("got %v", got)
	}
}

// TestServersModel moves clock and servers about at random. Whatever happens: a
// call succeeds when a server in service is up; nobody is dialled twice in a
// call; while one is up, calls succeed again within a sweep's pause; one that
// stays up and is in use stays in use.
func TestServersModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFleet(rapid.IntRange(1, 4).Draw(r, "servers"))
		last := -1
		r.Repeat(map[string]func(*rapid.T){
			"toggle": func(r *rapid.T) {
				i := rapid.IntRange(0, len(f.up)-1).Draw(r, "server")
				f.up[i] = !f.up[i]
			},
			"wait": func(r *rapid.T) {
				f.clock = f.clock.Add(time.Duration(rapid.IntRange(1, 90_000).Draw(r, "ms")) * time.Millisecond)
			},
			"background": func(*rapid.T) { f.background() },
			"ask": func(r *rapid.T) {
				inService := slices.ContainsFunc(f.list, func(sv *server) bool { return sv.until.IsZero() && f.up[slices.Index(f.list, sv)] })
				rested := !f.clock.Before(f.swept.Add(sweepPause))
				who, dials, err := f.ask()
				slices.Sort(dials)
				if len(slices.Compact(dials)) != len(dials) {
					r.Fatalf("dialled %v in one call", dials)
				}
				if (inService || rested && slices.Contains(f.up, true)) != (who >= 0) && who < 0 {
					r.Fatalf("up %v: got %v", f.up, err)
				}
				if who >= 0 && !f.up[who] || (who < 0) != (err != nil) {
					r.Fatalf("up %v: got %d, %v", f.up, who, err)
				}
				if last >= 0 && f.up[last] && f.list[last].until.IsZero() && inService && who != last {
					r.Fatalf("left %d, which works, for %d", last, who)
				}
				last = who
			},
		})
	})
}
