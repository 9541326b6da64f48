package totp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Why a code was not accepted. They are for the log: whoever typed it is told the same
// of all of them.
var (
	ErrNone    = errors.New("no second factor is enrolled")
	ErrWrong   = errors.New("the code is wrong")
	ErrSpent   = errors.New("the code was used before, or is older than one that was")
	ErrTooMany = errors.New("too many wrong codes")
)

// Checker checks codes. Several, of one process or many, that share a store accept a
// code once among them. It is safe for concurrent use.
type Checker struct {
	store store.Store
	now   func() time.Time
}

// New makes a Checker over a store; now is the clock.
func New(s store.Store, now func() time.Time) *Checker { return &Checker{store: s, now: now} }

// Check accepts a code of one of somebody's factors, once, as one act with counting a
// wrong one: 50 that come at a time are 50 guesses. Account names him whatever he is
// called. An error is one of those above, or the store's, which matches store.ErrDown
// where nobody knows whether the code is spent now.
func (c *Checker) Check(ctx context.Context, account string, factors []*Factor, typed string) error {
	if len(factors) == 0 {
		return ErrNone
	}
	code, ok := clean(typed)
	if !ok {
		return ErrWrong // no guess: nobody has such a code
	}
	now := c.now()
	var last span // of all that have the code: a code that two steps have is spent for both
	for _, f := range factors {
		found, ok, err := f.find(code, now)
		if err != nil {
			return fmt.Errorf("making a code to compare: %w", err)
		}
		if ok && found.end > last.end {
			last = found
		}
	}
	var verdict error
	err := c.store.Update(ctx, key(account), func(old []byte) ([]byte, time.Duration, error) {
		r, err := readRecord(old, now)
		if err != nil {
			return nil, 0, err
		}
		verdict = nil
		switch {
		case len(r.Wrong) >= MostWrong:
			return nil, 0, ErrTooMany // a right code too, or its answer would tell
		case last.end == 0:
			verdict = ErrWrong
			r.Wrong = append(r.Wrong, now.Unix())
		case last.begin < r.Spent:
			return nil, 0, ErrSpent // whoever has it guesses nothing
		default:
			r.Spent = last.end
		}
		value, err := r.bytes()
		return value, keep, err
	})
	if err != nil {
		return err
	}
	return verdict
}

// Forgive forgets the wrong codes of somebody, as an administrator asks. What is spent
// stays so.
func (c *Checker) Forgive(ctx context.Context, account string) error {
	return c.store.Update(ctx, key(account), func(old []byte) ([]byte, time.Duration, error) {
		r, err := readRecord(old, c.now())
		if err != nil || old == nil {
			return nil, 0, err
		}
		r.Wrong = nil
		value, err := r.bytes()
		return value, keep, err
	})
}

// key names what is remembered of an account. A name that is too long for a store is
// shortened to its hash.
func key(account string) store.Key {
	if len(account) > store.MaxName {
		sum := sha256.Sum256([]byte(account))
		account = hex.EncodeToString(sum[:])
	}
	return store.Key{Kind: store.KindCode, Name: account}
}
