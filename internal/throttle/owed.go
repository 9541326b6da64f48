package throttle

import (
	"context"
	"slices"
	"time"
)

// maxOwed bounds the ends that wait for a shared store: places of more run out.
const maxOwed = 256

// owed is the end of an attempt that a shared store was not told of, because it was
// down: the attempt's place of the account is taken there until it runs out, and with
// few places its owner would wait for that.
type owed struct {
	try   Try
	id    uint64
	note  func(*account, time.Time) // what came of it, nil where nothing did
	until time.Time
}

// owe remembers an end.
func (p *Process) owe(o owed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.owed) < maxOwed {
		p.owed = append(p.owed, o)
	}
}

// takeOwed gives what is owed to whoever pays, and forgets it.
func (p *Process) takeOwed() []owed {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, now := p.owed, p.now()
	p.owed = nil
	return slices.DeleteFunc(all, func(o owed) bool { return !now.Before(o.until) })
}

// pay tells a shared store what it was not told. Where the place is gone the store was
// told though nobody knew, and nothing counts twice.
func (t *Throttle) pay(ctx context.Context) {
	all := t.process.takeOwed()
	for i, o := range all {
		err := t.change(ctx, t.store, o.try, func(a *account, now time.Time) {
			if !slices.ContainsFunc(a.places, func(p place) bool { return p.id == o.id }) {
				return
			}
			if a.places = a.places.without(o.id); o.note != nil {
				o.note(a, now)
			}
		})
		if err != nil {
			t.report(err)
			for _, o := range all[i:] {
				t.process.owe(o)
			}
			return
		}
		t.process.ring(bellsOf(o.try)[0])
	}
}
