package session

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Limits are how long a session lasts.
type Limits struct {
	TTL  time.Duration // since it was opened
	Idle time.Duration // since it was used
}

// The limits where nothing is said.
const (
	DefaultTTL  = 8 * time.Hour
	DefaultIdle = 30 * time.Minute
)

// touchEvery is how often, at most, the last use of a session is written.
const touchEvery = time.Minute

// Book opens sessions, finds and ends them. It is safe for concurrent use, and so are
// several books on one store.
type Book struct {
	store  store.Store
	limits Limits
	now    func() time.Time
}

// New makes a book. Limits of zero are the defaults.
func New(s store.Store, limits Limits, now func() time.Time) *Book {
	if limits.TTL <= 0 {
		limits.TTL = DefaultTTL
	}
	if limits.Idle <= 0 {
		limits.Idle = DefaultIdle
	}
	limits.Idle = min(limits.Idle, limits.TTL)
	return &Book{store: s, limits: limits, now: now}
}

func sessionKey(id ID) store.Key { return store.Key{Kind: store.KindSession, Name: id.name()} }

// over reports whether a session has lasted as long as it may: by what held when it was
// opened, and by what holds now.
func (b *Book) over(r *Record, now time.Time) bool {
	return !now.Before(r.Ends) || !now.Before(r.Opened.Add(b.limits.TTL)) || !now.Before(r.Used.Add(min(r.Idle, b.limits.Idle)))
}

// keep is how long a store keeps a record.
func (r *Record) keep(now time.Time) time.Duration { return min(r.Idle, r.Ends.Sub(now)) }

// Open begins a session. Its times, idle limit and edition are the book's to say.
func (b *Book) Open(ctx context.Context, r Record) (Token, *Record, error) {
	now := b.now()
	r.Opened, r.Used, r.Ends, r.Idle, r.Edition = now, now, now.Add(b.limits.TTL), b.limits.Idle, 1
	return b.write(ctx, &r, nil)
}

// write gives a record a token. The list of the account comes first and is looked at
// again at the end, so that whoever ends all of an account ends this one too, or comes
// before it: EndOf empties the list and then ends what was in it.
func (b *Book) write(ctx context.Context, r *Record, before *ID) (Token, *Record, error) {
	value, err := r.encode()
	if err != nil {
		return Token{}, nil, err
	}
	token := newToken()
	id := token.ID()
	pushed, err := b.enlist(ctx, r, id, before)
	if err != nil {
		return Token{}, nil, err
	}
	for _, old := range pushed {
		if _, err := b.take(ctx, old); err != nil && !errors.Is(err, ErrNone) {
			return Token{}, nil, err
		}
	}
	err = b.store.Update(ctx, sessionKey(id), func([]byte) ([]byte, time.Duration, error) {
		return value, r.keep(b.now()), nil
	})
	if err != nil {
		return Token{}, nil, err
	}
	listed, err := b.isListed(ctx, r, id)
	if err == nil && !listed {
		err = ErrNone
	}
	if err != nil {
		_, _ = b.take(ctx, id) // nobody has its token
		return Token{}, nil, err
	}
	return token, r, nil
}

// Use finds the session of a token that a client shows in a form, for a host, and notes
// that it is used: at the first time, and then once a minute or a twentieth of the idle
// limit. The snapshot must not be changed.
func (b *Book) Use(ctx context.Context, token Token, form Form, host string) (*Record, error) {
	id := token.ID()
	r, err := b.get(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Form != form:
		return nil, ErrForm
	case r.Host != host:
		return nil, ErrHost
	}
	first := r.Used.Equal(r.Opened)
	if b.now().Sub(r.Used) < min(touchEvery, r.Idle/20, b.limits.Idle/20) && !first {
		return r, nil
	}
	used, err := b.Amend(ctx, id, func(*Record) {})
	switch {
	case errors.Is(err, store.ErrDown):
		return r, nil // it was there a moment ago, and what is lost is a minute
	case err != nil:
		return nil, err
	}
	if first {
		_ = b.cameBack(ctx, used, id) // else it gives way earlier
	}
	return used, nil
}

// get reads a session that is not over.
func (b *Book) get(ctx context.Context, id ID) (*Record, error) {
	value, err := b.store.Get(ctx, sessionKey(id))
	if err != nil {
		return nil, err
	}
	return b.living(value, b.now())
}

// living reads a record and refuses one that is over.
func (b *Book) living(value []byte, now time.Time) (*Record, error) {
	if value == nil {
		return nil, ErrNone
	}
	r, err := decode(value)
	switch {
	case err != nil:
		return nil, ErrNone // of another version of this program
	case b.over(r, now):
		return nil, ErrOver
	}
	return r, nil
}

// Amend changes a session and counts that as a use. A session that has ended stays so.
// A new Snapshot is a new edition; times, owner, host and form are not the caller's to
// change.
func (b *Book) Amend(ctx context.Context, id ID, change func(*Record)) (*Record, error) {
	var after *Record
	err := b.store.Update(ctx, sessionKey(id), func(old []byte) ([]byte, time.Duration, error) {
		now := b.now()
		r, err := b.living(old, now)
		if err != nil {
			return nil, 0, err
		}
		next := changed(r, change)
		if now.After(next.Used) {
			next.Used = now
		}
		value, err := next.encode()
		if err != nil {
			return nil, 0, err
		}
		after, err = decode(value) // what next holds may be the store's
		return value, next.keep(now), err
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// changed is a record after a change of what callers may change.
func changed(r *Record, change func(*Record)) Record {
	asked, next := *r, *r
	change(&asked)
	next.FactorOf, next.Factor = asked.FactorOf, asked.Factor
	next.Name, next.Scheme, next.Verifier = asked.Name, asked.Scheme, asked.Verifier
	if string(asked.Snapshot) != string(r.Snapshot) {
		next.Snapshot, next.Edition = asked.Snapshot, r.Edition+1
	}
	return next
}

// Rotate gives a session a new token, for a change of what its user may do, and makes a
// change as Amend does. Its absolute end stays. The old token opens nothing from the first
// moment; until the new one is written there is no session, so that whatever fails
// meanwhile logs the user out, and requests under way with the old one are nobody's.
func (b *Book) Rotate(ctx context.Context, id ID, change func(*Record)) (Token, *Record, error) {
	r, err := b.take(ctx, id)
	if err != nil {
		return Token{}, nil, err
	}
	now := b.now()
	if b.over(r, now) {
		_ = b.delist(ctx, r, id) // else it stands there until its end, and is nothing
		return Token{}, nil, ErrOver
	}
	next := changed(r, change)
	next.Used = now
	return b.write(ctx, &next, &id)
}
