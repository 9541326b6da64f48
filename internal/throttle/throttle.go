package throttle

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Throttle counts under one set of limits. Several of them over one store and Process
// share what is counted. It is safe for concurrent use, and runs nothing in the
// background.
type Throttle struct {
	limits  Limits
	store   store.Store
	process *Process
	warn    func(error)
}

// New makes one. warn is told, once a minute at most, that the store is down and that
// this process counts for itself; it may be nil.
func New(limits Limits, s store.Store, process *Process, warn func(error)) *Throttle {
	if warn == nil {
		warn = func(error) {}
	}
	return &Throttle{limits: limits, store: s, process: process, warn: warn}
}

// Enter takes a place for a Try, and waits while all are taken by attempts of which
// nobody knows yet what becomes. The error is a *Refused, ErrKnownWrong, ctx's, or the
// store's own, which is never store.ErrDown: while it is down the process counts.
func (t *Throttle) Enter(ctx context.Context, try Try) (*Attempt, error) {
	try.Address = NetworkOf(try.Address)
	leave, err := t.process.takeTurn(ctx, turnKey{try.Account, try.Address})
	if err != nil {
		return nil, err
	}
	defer leave()
	var attempt *Attempt
	look := func() (err error) {
		attempt, err = t.look(ctx, try)
		return err
	}
	if err = look(); errors.Is(err, errBusy) {
		err = t.process.wait(ctx, try, look)
	}
	return attempt, err
}

// look claims the password and takes the places, or says why not.
func (t *Throttle) look(ctx context.Context, try Try) (*Attempt, error) {
	print := t.process.claim(try, t.limits.Window)
	a, err := t.enter(ctx, try, print)
	if err != nil && print == printNew && try.Password != (Fingerprint{}) {
		t.process.unclaim(try)
		if !errors.Is(err, errBusy) {
			t.process.ring(bellsOf(try)[0]) // whoever waits for the same password
		}
	}
	return a, err
}

// busyPause is the wait where so many ask for one account, or from one address, that the
// store cannot keep up. It is not down then, and counting in the process would be what a
// crowd of guessers wants.
const busyPause = time.Second

// enterTime bounds how long it may take to write the places down.
const enterTime = 5 * time.Second

// enter takes the places in the store, and while that is down in the process.
func (t *Throttle) enter(ctx context.Context, try Try, print printState) (*Attempt, error) {
	a := &Attempt{throttle: t, try: try, book: t.store, id: rand.Uint64()} //nolint:gosec // tells attempts apart, and is no secret
	// Who hangs up in the middle of it would leave a place behind, for as long as it lives,
	// and soon all of them: the account's owner would wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enterTime)
	defer cancel()
	if t.store.Shared() && t.process.isDown() {
		a.book = t.process.memory
	} else if t.store.Shared() && t.pay(ctx, try.Account) {
		return nil, &Refused{Wait: busyPause, Whose: OfAccount}
	}
	err := a.enter(ctx, print)
	if errors.Is(err, store.ErrBusy) {
		t.owe(a, try, nil) // nobody knows whether it has a place
		return nil, &Refused{Wait: busyPause, Whose: OfAccount}
	}
	if errors.Is(err, store.ErrDown) && a.book != store.Store(t.process.memory) {
		t.down(err)
		a.book, a.strayed = t.process.memory, true
		err = a.enter(ctx, print)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (t *Throttle) down(err error) {
	if t.process.noteDown() {
		t.warn(err)
	}
}

// Known notes that an account has logged in from an address by something else than a
// password, which is a right one there. It is quick where it was noted a while ago.
func (t *Throttle) Known(ctx context.Context, name string, from netip.Addr) {
	from = NetworkOf(from)
	if !from.IsValid() || !t.process.marks(name, from) {
		return
	}
	t.record(ctx, Try{Account: name}, nil, func(a *account, now time.Time) { a.know(from, now) })
}

// Forgive forgets all that is counted of an account, as an administrator asks, and not
// where it is known.
func (t *Throttle) Forgive(ctx context.Context, name string) (err error) {
	t.process.noteRight(name, Fingerprint{})
	defer t.process.ring("account " + name)
	for _, s := range [...]store.Store{t.process.memory, t.store} {
		err = errors.Join(err, t.change(ctx, s, Try{Account: name}, func(a *account, _ time.Time) { a.forgive() }))
	}
	return err
}
