package throttle

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// record changes an account in the store and, where others share that, in what this
// process has counted itself. The places of an attempt are given back; without a note
// that is all. What a store is not told is owed to it.
func (t *Throttle) record(ctx context.Context, try Try, ended *Attempt, note func(*account, time.Time)) {
	told := ended == nil || !t.store.Shared() || ended.book != t.store && !ended.strayed && !ended.wrong
	for _, s := range t.books() {
		if note == nil && s != ended.book {
			continue
		}
		err := t.change(ctx, s, try, func(a *account, now time.Time) {
			if ended != nil {
				a.places = a.places.without(ended.id)
			}
			if note != nil {
				note(a, now)
			}
		})
		t.report(err)
		told = told || s == t.store && err == nil
	}
	if !told {
		t.owe(ended, try, note)
	}
}

// recordAddress does the same with the address of an attempt, which counts for nothing
// where the account is known.
func (t *Throttle) recordAddress(ctx context.Context, ended *Attempt, note func(*address, time.Time)) {
	if ended.known || !ended.try.Address.IsValid() {
		return
	}
	for _, s := range t.books() {
		if note == nil && s != ended.book {
			continue
		}
		t.report(s.Update(ctx, addressKey(ended.try), func(old []byte) ([]byte, time.Duration, error) {
			now := t.process.now()
			a, _ := readAddress(old, now)
			if a.places = a.places.without(ended.id); note != nil {
				note(a, now)
			}
			return a.encode(), t.limits.Window + placeLife, nil
		}))
	}
}

// books are where something is written down.
func (t *Throttle) books() []store.Store {
	if !t.store.Shared() {
		return []store.Store{t.store}
	}
	if t.process.isDown() {
		return []store.Store{t.process.memory}
	}
	return []store.Store{t.process.memory, t.store}
}

// report tells of an end that the store has not taken: what the process has counted
// itself goes on to count.
func (t *Throttle) report(err error) {
	if errors.Is(err, store.ErrBusy) {
		return
	}
	if errors.Is(err, store.ErrDown) || errors.Is(err, context.DeadlineExceeded) {
		t.down(err)
	}
}

// change changes an account as one act.
func (t *Throttle) change(ctx context.Context, s store.Store, try Try, change func(*account, time.Time)) error {
	return s.Update(ctx, accountKey(try.Account), func(old []byte) ([]byte, time.Duration, error) {
		now := t.process.now()
		a, _ := readAccount(old, now)
		change(a, now)
		value, keep := a.kept(t.limits, try)
		return value, keep, nil
	})
}

func accountKey(account string) store.Key { return store.Key{Kind: store.KindAccount, Name: account} }

func addressKey(t Try) store.Key {
	return store.Key{Kind: store.KindAddress, Name: t.Address.String()}
}

// readAccount reads a record. One that cannot be read, of which nobody knows what was
// counted, lets no stranger in for a window: were it taken for nothing, whoever makes
// records unreadable could guess on.
func readAccount(old []byte, now time.Time) (a *account, readable bool) {
	if a, readable = decodeAccount(old); !readable {
		a = closed(now)
	}
	a.forget(now)
	return a, readable
}

func readAddress(old []byte, now time.Time) (a *address, readable bool) {
	if a, readable = decodeAddress(old); !readable {
		a = closedAddress(now)
	}
	a.forget(now)
	return a, readable
}

// kept is a record as it is written down, and how long it is of use. For how long the
// domain counts not everybody knows who writes of the account, so the record does.
func (a *account) kept(l Limits, try Try) (value []byte, keep time.Duration) {
	_, domain := try.windows(l)
	if len(a.all) == 0 {
		a.counts = 0
	} else {
		a.counts = max(a.counts, domain)
	}
	keep = max(a.counts, domain) + l.Window + l.LongestWait + placeLife
	if len(a.homes) > 0 {
		keep = max(keep, KnownFor)
	}
	return a.encode(), keep
}
