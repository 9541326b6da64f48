package totp

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// model says of one account what must become of a code.
type model struct {
	accepted []span
	wrong    []time.Time
}

func (m *model) want(last span, now time.Time) error {
	recent := 0
	for _, at := range m.wrong {
		if now.Sub(at) < Within {
			recent++
		}
	}
	switch {
	case recent >= MostWrong:
		return ErrTooMany
	case last == span{}:
		m.wrong = append(m.wrong, now)
		return ErrWrong
	case slices.ContainsFunc(m.accepted, func(s span) bool { return last.begin < s.end }):
		return ErrSpent
	}
	m.accepted = append(m.accepted, last)
	return nil
}

// TestModel: whatever codes come, at whichever of two nodes, no step is accepted twice
// nor after a later one, and guesses are bounded in any 15 minutes.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		shared := store.NewMemory(nil, c.now)
		nodes := [2]*Checker{New(shared, c.now), New(shared, c.now)}
		factors := []*Factor{newFactor("a")}
		if rapid.Bool().Draw(t, "two devices") {
			period := time.Duration(rapid.IntRange(15, 300).Draw(t, "period")) * time.Second
			factors = append(factors, factorOf("another0123456789", otp.AlgorithmSHA512, 6, period))
		}
		accounts := map[string]*model{"alice": {}, "bob": {}}
		t.Repeat(map[string]func(*rapid.T){
			"wait": func(t *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			},
			"code": func(t *rapid.T) {
				name := rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "account")
				f := rapid.SampledFrom(factors).Draw(t, "device")
				off := rapid.IntRange(-3, 3).Draw(t, "step")
				code := mustCode(t, f, c.now().Add(time.Duration(off)*f.period))
				var last span
				for _, f := range factors {
					period := int64(f.period / time.Second)
					for step := c.now().Unix()/period - 1; step <= c.now().Unix()/period+1; step++ {
						if mustCode(t, f, time.Unix(step*period, 0)) == code && (step+1)*period > last.end {
							last = span{step * period, (step + 1) * period}
						}
					}
				}
				got := nodes[rapid.IntRange(0, 1).Draw(t, "node")].Check(t.Context(), name, factors, code)
				if want := accounts[name].want(last, c.now()); !errors.Is(got, want) || (got == nil) != (want == nil) {
					t.Fatalf("got %v, want %v", got, want)
				}
			},
		})
	})
}
