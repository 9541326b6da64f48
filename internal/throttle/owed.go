package throttle

import (
	"context"
	"slices"
	"time"
)

// maxOwed bounds the ends that wait for a shared store: places of more run out.
const maxOwed = 1024

// owed is the end of an attempt that a shared store was not told of, because it was
// down. The attempt's place of the account is taken there until it runs out, and with
// few places its owner would wait for that; and a wrong password that nobody counts
// there would let a guesser have one more than the account bears.
type owed struct {
	try    Try
	id     uint64
	note   func(*account, time.Time) // what came of it, nil where nothing did
	wrong  bool                      // a wrong password
	placed bool                      // the store has had the place
	at     time.Time
	until  time.Time // it is of use
}

// owe remembers the end of an attempt.
func (t *Throttle) owe(a *Attempt, try Try, note func(*account, time.Time)) {
	now := t.process.now()
	o := owed{try: try, id: a.id, note: note, wrong: a.wrong, placed: a.book == t.store, at: now, until: now.Add(placeLife)}
	if _, domain := try.windows(t.limits); a.wrong {
		o.until = now.Add(max(domain, placeLife))
	}
	t.process.oweAll([]owed{o})
}

func (p *Process) oweAll(more []owed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed = append(p.owed, more[:min(len(more), max(maxOwed-len(p.owed), 0))]...)
}

// takeOwed gives what is owed to whoever pays, and forgets it.
func (p *Process) takeOwed() []owed {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, now := p.owed, p.now()
	p.owed = nil
	return slices.DeleteFunc(all, func(o owed) bool { return !now.Before(o.until) })
}

// absolve forgets the wrong passwords of an account that are owed: a right one has ended
// them at the controller. Those whose place the store has give it back all the same.
func (p *Process) absolve(account string, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := func(o owed) bool { return o.wrong && o.try.Account == account && o.at.Before(began) }
	for i := range p.owed {
		if o := &p.owed[i]; ended(*o) && o.placed {
			o.note, o.wrong, o.until = nil, false, o.at.Add(placeLife)
		}
	}
	p.owed = slices.DeleteFunc(p.owed, ended)
}

// pay tells a shared store what it was not told. Who comes meanwhile waits for that.
func (t *Throttle) pay(ctx context.Context) {
	select {
	case t.process.paying <- struct{}{}:
		defer func() { <-t.process.paying }()
	case <-ctx.Done():
		return
	}
	all := t.process.takeOwed()
	for i, o := range all {
		if err := t.change(ctx, t.store, o.try, func(a *account, now time.Time) { o.tell(a, now) }); err != nil {
			t.report(err)
			t.process.oweAll(all[i:])
			return
		}
		t.process.ring(bellsOf(o.try)[0])
	}
}

// tell writes an end down. Where the place is gone the store was told though nobody
// knew, and nothing counts twice, except where the place may have run out meanwhile or
// never have been there.
func (o owed) tell(a *account, now time.Time) {
	there := slices.ContainsFunc(a.places, func(p place) bool { return p.id == o.id })
	a.places = a.places.without(o.id)
	if o.note != nil && (there || o.wrong && (!o.placed || now.Sub(o.at) >= placeLife)) {
		o.note(a, o.at)
	}
}
