package throttle

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Attempt is a Try under way. One of Right, Wrong, Locked and Undecided ends it; what
// comes after changes nothing. Whoever is not told of an end in time gives the places
// back.
type Attempt struct {
	throttle *Throttle
	try      Try
	book     store.Store // where its places are
	strayed  bool        // it may have one in the shared store too, which did not answer
	id       uint64
	began    time.Time // the place was taken
	known    bool      // the account at the address, whose limit does not count then
	wrong    bool      // as it ended
	once     sync.Once
}

// endTime bounds how long an end may take to be written down.
const endTime = 2 * time.Second

// enter takes a place of the account, and one of the address where the account is not
// known there. Nothing is written of an account that was not there before the address
// has had its say.
func (a *Attempt) enter(ctx context.Context, print printState) error {
	err := a.enterAccount(ctx, print, false)
	if errors.Is(err, errNone) {
		if err = a.askAddress(ctx); err == nil {
			err = a.enterAccount(ctx, print, true)
		}
	}
	if err != nil || a.known || !a.try.Address.IsValid() {
		return err
	}
	if err := a.enterAddress(ctx); err != nil {
		if !errors.Is(err, store.ErrDown) {
			a.leaveAccount(ctx)
		}
		return err
	}
	return nil
}

func (a *Attempt) enterAccount(ctx context.Context, print printState, fresh bool) error {
	t, verdict := a.throttle, error(nil)
	err := a.book.Update(ctx, accountKey(a.try.Account), func(old []byte) ([]byte, time.Duration, error) {
		if old == nil && !fresh {
			return nil, 0, errNone
		}
		now := t.process.now()
		record, readable := readAccount(old, now)
		a.began = now
		if a.known, verdict = record.admit(t.limits, a.try, print, a.id, now); verdict != nil && readable {
			return nil, 0, verdict
		}
		value, keep := record.kept(t.limits, a.try)
		return value, keep, nil
	})
	if err == nil {
		err = verdict
	}
	return err
}

// askAddress says what the address would, and writes nothing.
func (a *Attempt) askAddress(ctx context.Context) error {
	if !a.try.Address.IsValid() {
		return nil
	}
	old, err := a.book.Get(ctx, addressKey(a.try))
	if err != nil {
		return err
	}
	now := a.throttle.process.now()
	record, readable := readAddress(old, now)
	if !readable {
		return nil // enterAddress mends it
	}
	return record.admit(a.throttle.limits, now)
}

func (a *Attempt) enterAddress(ctx context.Context) error {
	t, verdict := a.throttle, error(nil)
	err := a.book.Update(ctx, addressKey(a.try), func(old []byte) ([]byte, time.Duration, error) {
		now := t.process.now()
		record, readable := readAddress(old, now)
		if verdict = record.admit(t.limits, now); verdict != nil && readable {
			return nil, 0, verdict
		}
		if verdict == nil {
			record.take(a.id, now)
		}
		return record.encode(), t.limits.Window + placeLife, nil
	})
	if err == nil {
		err = verdict
	}
	return err
}

func (a *Attempt) leaveAccount(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	_ = a.throttle.change(ctx, a.book, a.try, func(record *account, _ time.Time) {
		record.places = record.places.without(a.id)
	}) // where that fails the place runs out
	a.throttle.process.ring(bellsOf(a.try)[0])
}

// Right ends an attempt whose password was right: the controller has forgotten the
// wrong ones of before, and the account is known at the address. canonical is the account as it
// is known now, where that is another text than that of the Try; else the same or
// empty.
func (a *Attempt) Right(canonical string) {
	a.end(func(ctx context.Context) {
		t, from := a.throttle, a.try.Address
		right := func(record *account, now time.Time) { record.right(from, a.began, now) }
		t.process.absolve(a.try.Account, a.began)
		t.record(ctx, a.try, a, right)
		t.process.noteRight(a.try.Account, a.try.Password)
		if canonical != "" && canonical != a.try.Account {
			t.process.absolve(canonical, a.began)
			t.record(ctx, Try{Account: canonical}, nil, right)
			t.process.noteRight(canonical, Fingerprint{})
		}
		t.recordAddress(ctx, a, nil)
	})
}

// Wrong ends an attempt whose password was wrong, as a controller says.
func (a *Attempt) Wrong() {
	a.end(func(ctx context.Context) {
		a.wrong = true
		a.throttle.process.noteWrong(a.try)
		a.throttle.record(ctx, a.try, a, func(record *account, now time.Time) { record.wrong(a.throttle.limits, a.try.Address, now) })
		a.throttle.recordAddress(ctx, a, (*address).count)
	})
}

// Locked ends an attempt of an account that the domain has locked, whatever the
// password was: there is a wait, and no more of the account is counted.
func (a *Attempt) Locked() {
	a.end(func(ctx context.Context) {
		a.throttle.record(ctx, a.try, a, func(record *account, now time.Time) { record.locked(a.throttle.limits, a.try.Address, now) })
		a.throttle.recordAddress(ctx, a, (*address).count)
	})
}

// Undecided ends an attempt of which no controller has said anything about the
// password. It counts nothing.
func (a *Attempt) Undecided() {
	a.end(func(ctx context.Context) {
		a.throttle.record(ctx, a.try, a, nil)
		a.throttle.recordAddress(ctx, a, nil)
	})
}

// end writes down what came of the attempt, though who asked may be gone.
func (a *Attempt) end(write func(context.Context)) {
	a.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		write(ctx)
		if a.try.Password != (Fingerprint{}) {
			a.throttle.process.unclaim(a.try)
		}
		a.throttle.process.ring(bellsOf(a.try)...)
	})
}
