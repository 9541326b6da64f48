package throttle

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/modeltest"
)

// controller counts as a domain controller does: wrong passwords within the
// observation window, forgotten at a right one.
type controller struct{ wrong []time.Time }

func (c *controller) count(now time.Time, window time.Duration) int {
	n := 0
	for _, at := range c.wrong {
		if now.Sub(at) < window {
			n++
		}
	}
	return n
}

type underWay struct {
	*Attempt
	since time.Time
	end   func() // once the controller has judged it
}

// unjudged are those that the controller may count yet.
func unjudged(running []*underWay) (n int) {
	for _, u := range running {
		if u.end == nil {
			n++
		}
	}
	return n
}

// TestModel: whatever comes in whatever order, at one node or another, at once or one
// after another, and told in another order than the controller has judged, never locks an
// account at a controller; nobody waits while nothing is under way; and an attempt that is
// refused has a wait.
func TestModel(t *testing.T) {
	modeltest.Check(t, func(t *rapid.T) modeltest.Actions {
		lockout := rapid.IntRange(2, 6).Draw(t, "lockout")
		observation := time.Duration(rapid.IntRange(1, 40).Draw(t, "observation")) * time.Minute
		limits := Limits{
			Attempts: rapid.IntRange(1, 6).Draw(t, "attempts"), Window: 10 * time.Minute, FirstWait: time.Second, LongestWait: time.Minute,
			PerAddress: rapid.IntRange(1, 20).Draw(t, "per address"),
		}
		first, c := start(limits)
		nodes := []*Throttle{first, New(limits, first.store, NewProcess(1000, c.read), nil)}
		dc := new(controller)
		var running []*underWay
		return modeltest.Actions{
			"enter": {Do: func(t *rapid.T) {
				try := Try{Account: "alice", Lockout: lockout, Observation: observation}
				try.Address = netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(1, 3).Draw(t, "address"))})
				if n := rapid.IntRange(0, 3).Draw(t, "password"); n > 0 {
					try.Password = Fingerprint{byte(n)}
				}
				a, err := rapid.SampledFrom(nodes).Draw(t, "node").look(context.Background(), try)
				switch {
				case err == nil:
					running = append(running, &underWay{a, c.read(), nil})
				case errors.Is(err, errBusy) && len(running) == 0:
					t.Fatal("waits for nothing")
				case !errors.Is(err, errBusy) && !errors.Is(err, ErrKnownWrong) && waitOf(err) <= 0:
					t.Fatalf("refused without a wait: %v", err)
				}
				if got := dc.count(c.read(), observation) + unjudged(running); got > lockout-1 {
					t.Fatalf("%d at the controller or on the way, which locks at %d", got, lockout)
				}
			}},
			// What comes of it is told later, perhaps behind others.
			"judge": {Ready: func() bool { return unjudged(running) > 0 }, Do: func(t *rapid.T) {
				open := slices.DeleteFunc(slices.Clone(running), func(u *underWay) bool { return u.end != nil })
				u := open[rapid.IntRange(0, len(open)-1).Draw(t, "which")]
				switch rapid.IntRange(0, 5).Draw(t, "outcome") {
				case 0:
					dc.wrong = nil
					canonical := rapid.SampledFrom([]string{"", "alice", "S-1-5-21-1"}).Draw(t, "canonical")
					u.end = func() { u.Right(canonical) }
				case 1:
					u.end = u.Undecided
				case 2:
					u.end = u.Locked
				default:
					dc.wrong = append(dc.wrong, c.read())
					u.end = u.Wrong
				}
			}},
			"end": {Ready: func() bool { return unjudged(running) < len(running) }, Do: func(t *rapid.T) {
				i := slices.IndexFunc(running, func(u *underWay) bool { return u.end != nil })
				u := running[i]
				if last := len(running) - 1; running[last].end != nil && rapid.Bool().Draw(t, "the last") {
					i, u = last, running[last]
				}
				running = slices.Delete(running, i, i+1)
				u.end()
			}},
			"pass": {Do: func(t *rapid.T) {
				seconds := rapid.IntRange(1, 900).Draw(t, "seconds")
				running = slices.DeleteFunc(running, func(u *underWay) bool {
					told := u.end != nil && (seconds > 1 || c.read().Sub(u.since) > 10*time.Second) // a moment after it was judged
					if told {
						u.end()
					}
					return told
				})
				c.pass(time.Duration(seconds) * time.Second)
				// Nobody asks a controller for so long: a node has died.
				running = slices.DeleteFunc(running, func(u *underWay) bool { return c.read().Sub(u.since) >= placeLife })
			}},
		}
	})
}
