package throttle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
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
	rests  time.Time // nobody else is held up by it before, because a crowd is at the account
}

// owe remembers the end of an attempt.
func (t *Throttle) owe(a *Attempt, try Try, note func(*account, time.Time)) {
	now := t.process.now()
	o := owed{try: try, id: a.id, note: note, wrong: a.wrong, placed: a.book == t.store, at: now, until: now.Add(placeLife)}
	if _, domain := try.windows(t.limits); a.wrong {
		o.until = now.Add(max(domain, placeLife))
	}
	t.process.mu.Lock()
	defer t.process.mu.Unlock()
	t.process.add(o)
}

// add remembers one. A wrong password is worth more than a place, which runs out by itself.
func (p *Process) add(o owed) {
	if len(p.owed) >= maxOwed && o.wrong {
		if i := slices.IndexFunc(p.owed, func(o owed) bool { return !o.wrong }); i >= 0 {
			p.owed = slices.Delete(p.owed, i, i+1)
		}
	}
	if len(p.owed) < maxOwed {
		p.owed = append(p.owed, o)
	}
}

// takeOwed gives what is owed to whoever pays, what is owed of his own account first, and
// forgets it. Of another one that a crowd is at he is not asked to pay.
func (p *Process) takeOwed(account string) []owed {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	var own, others, rest []owed
	for _, o := range p.owed {
		switch {
		case !now.Before(o.until):
		case o.try.Account == account:
			own = append(own, o)
		case now.Before(o.rests):
			rest = append(rest, o)
		default:
			others = append(others, o)
		}
	}
	p.owed, p.telling = rest, append(own, others...)
	return p.telling
}

// owes reports whether anything is owed of an account, or is being told just now.
func (p *Process) owes(account string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := func(o owed) bool { return o.try.Account == account }
	return slices.ContainsFunc(p.owed, of) || slices.ContainsFunc(p.telling, of)
}

// told ends what takeOwed began. left is what the store has not taken; of a crowd's account
// nobody else is asked to pay for a while.
func (p *Process) told(left []owed, crowd string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.telling = nil
	for _, o := range left {
		if o.try.Account == crowd {
			o.rests = p.now().Add(busyPause)
		}
		p.add(o)
	}
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

// pay tells a shared store what it was not told. Whoever comes for an account of which
// something is owed waits for that. Others leave it to the one who is at it: a crowd at one
// account would else have everybody wait. It reports whether a crowd is at his own account,
// so that what is counted of it nobody knows.
func (t *Throttle) pay(ctx context.Context, whose string) (crowded bool) {
	p := t.process
	if !p.startPaying(ctx, p.owes(whose)) {
		return false // and whoever had to, and has not, has no time left to ask anything
	}
	defer func() { <-p.paying }()
	left, crowd, began := p.takeOwed(whose), "", p.now()
	for ; len(left) > 0; left = left[1:] {
		o := left[0]
		if o.try.Account != whose && p.now().Sub(began) >= busyPause {
			break // the next one goes on
		}
		if err := t.change(ctx, t.store, o.try, func(a *account, now time.Time) { o.tell(a, now) }); err != nil {
			if t.report(err); errors.Is(err, store.ErrBusy) {
				crowd = o.try.Account
			}
			break
		}
		p.ring(bellsOf(o.try)[0])
	}
	p.told(left, crowd)
	return crowd != "" && crowd == whose
}

// startPaying reports whether whoever asks is the one who pays, and waits for that where
// he must.
func (p *Process) startPaying(ctx context.Context, must bool) bool {
	select {
	case p.paying <- struct{}{}:
		return true
	default:
	}
	if !must {
		return false
	}
	select {
	case p.paying <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
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
