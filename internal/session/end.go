package session

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// take removes a session and gives what it was; ErrNone where there is none.
func (b *Book) take(ctx context.Context, id ID) (*Record, error) {
	var r *Record
	err := b.store.Update(ctx, sessionKey(id), func(old []byte) ([]byte, time.Duration, error) {
		r = nil
		if old == nil {
			return nil, 0, ErrNone
		}
		r, _ = decode(bytes.Clone(old))
		return nil, 0, nil
	})
	if err == nil && r == nil {
		err = ErrNone
	}
	return r, err
}

// End ends a session and gives what it was; ErrNone where there is none.
func (b *Book) End(ctx context.Context, id ID) (*Record, error) {
	r, err := b.take(ctx, id)
	if err != nil {
		return nil, err
	}
	_ = b.delist(ctx, r, id) // else it stands there until its end, and is nothing
	return r, nil
}

// EndOf ends all sessions of an account, those that are just being opened or rotated too,
// and gives what they were.
func (b *Book) EndOf(ctx context.Context, directory, account string) (ended []*Record, err error) {
	list, err := b.takeList(ctx, directory, account)
	for _, e := range list {
		switch r, failure := b.take(ctx, e.id); {
		case failure == nil:
			ended = append(ended, r)
		case !errors.Is(failure, ErrNone):
			err = errors.Join(err, failure)
		}
	}
	return ended, err
}

// Each visits all sessions that are not over, in no order, until visit says no. It is for
// administrators, and slow.
func (b *Book) Each(ctx context.Context, visit func(ID, *Record) bool) error {
	return b.store.Each(ctx, store.KindSession, func(name string, value []byte) bool {
		id, err := parseID(name)
		if err != nil {
			return true
		}
		r, err := b.living(value, b.now())
		return err != nil || visit(id, r)
	})
}
