// Package store keeps small values for a while: what was counted of an account, a
// session, the last code of a second factor. One node keeps them in memory; several
// share them, and the rooms that use a Store cannot tell.
//
//   - store.go: the contract
//   - memory.go: a Store in this process
//   - recent.go: a bounded memory that forgets what was used longest ago
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind is a kind of values. Each has a bound of its own, so that strangers who make
// many of one push none of another out.
type Kind string

// The kinds.
const (
	// KindAccount counts wrong passwords of an account.
	KindAccount Kind = "account"
	// KindAddress counts those from an address.
	KindAddress Kind = "address"
	// KindSession is a session, or a key of a program.
	KindSession Kind = "session"
	// KindOwner lists the sessions of an account.
	KindOwner Kind = "owner"
	// KindCode is what was spent of somebody's second factor.
	KindCode Kind = "code"
	// KindTicket is a request with a ticket that was accepted.
	KindTicket Kind = "ticket"
)

var kinds = []Kind{KindAccount, KindAddress, KindSession, KindOwner, KindCode, KindTicket}

// Kinds lists every kind.
func Kinds() []Kind { return slices.Clone(kinds) }

// Key names a value. A name may be any text of at most MaxName bytes; secrets do not
// belong in it.
type Key struct {
	Kind Kind
	Name string
}

// Bounds, in bytes.
const (
	MaxName  = 1 << 10
	MaxValue = 1 << 20
)

// Errors of a Store. All that it returns matches one of them, the error of a Change or
// the context's; a kind that is none is a fault of ours.
var (
	// ErrDown says that the store does not answer, or not as it should, and that nobody
	// knows whether what was asked of it has happened. Nobody knows that either when
	// the context ended first.
	ErrDown = errors.New("the store does not answer")
	// ErrBusy is an ErrDown of one value alone, which others change so often that there
	// was no time left.
	ErrBusy = errors.New("others change the same value")
	// ErrTooLarge is a name or value over its bound.
	ErrTooLarge = errors.New("too large for the store")
)

// Check says whether a Store can have the key.
func (k Key) Check() error {
	switch {
	case !slices.Contains(kinds, k.Kind):
		return fmt.Errorf("a store keeps nothing of the kind %q", k.Kind)
	case len(k.Name) > MaxName:
		return fmt.Errorf("a name of %d bytes: %w", len(k.Name), ErrTooLarge)
	}
	return nil
}

// CheckValue says whether a Store can have the value.
func CheckValue(value []byte) error {
	if len(value) > MaxValue {
		return fmt.Errorf("a value of %d bytes: %w", len(value), ErrTooLarge)
	}
	return nil
}

// A Change makes a new value of the one that is there, nil where there is none, and says
// how long it is kept: longer than nothing. A nil value removes; an empty one is a value.
// It must not change old nor keep it, nor ask the Store for anything, since others wait
// for it meanwhile, and may be called more than once: what it returns for the last call
// is what happens. An error leaves the value as it was.
type Change func(old []byte) (value []byte, keep time.Duration, err error)

// Store keeps values. It is safe for concurrent use.
type Store interface {
	// Get is a value, nil where there is none. It belongs to the caller.
	Get(ctx context.Context, key Key) ([]byte, error)
	// Update changes a value as one act: nobody changes it between what change is
	// given and what is kept. Values that live for a while may be forgotten before,
	// where the store is full.
	Update(ctx context.Context, key Key, change Change) error
	// Each visits the values of a kind, in no order, until visit says no. What is
	// changed meanwhile may be visited or not. It is for administrators, and slow.
	Each(ctx context.Context, kind Kind, visit func(name string, value []byte) bool) error
	// Shared reports whether other nodes change the values too.
	Shared() bool
}

// Once reports whether nobody has taken a key before, and takes it.
func Once(ctx context.Context, s Store, key Key, keep time.Duration) (first bool, err error) {
	err = s.Update(ctx, key, func(old []byte) ([]byte, time.Duration, error) {
		if first = old == nil; first {
			return []byte{1}, keep, nil
		}
		return nil, 0, errTaken
	})
	if errors.Is(err, errTaken) {
		return false, nil
	}
	return first && err == nil, err
}

var errTaken = errors.New("taken")
