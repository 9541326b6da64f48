package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// MostOf is how many sessions an account may have: clients that never send a cookie
// back would fill the store with them. One too many ends the oldest of those that no
// client has come back with, and where there is none of these the oldest.
const MostOf = 100

// entry is a session in the list of its account.
type entry struct {
	id   ID
	ends time.Time
	back bool // a client has come back with it
}

// entrySize is the bytes of an entry: id, end, back.
const entrySize = len(ID{}) + 8 + 1

// ownerKey is where the list of an account is. Names of accounts may be long.
func ownerKey(directory, account string) store.Key {
	h := sha256.New()
	for _, part := range [...]string{directory, account} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return store.Key{Kind: store.KindOwner, Name: base64.RawURLEncoding.EncodeToString(h.Sum(nil))}
}

// encodeList writes a list, the oldest first.
func encodeList(list []entry) []byte {
	b := make([]byte, 0, 1+entrySize*len(list))
	b = append(b, version)
	for _, e := range list {
		b = append(b, e.id[:]...)
		b = binary.BigEndian.AppendUint64(b, nanos(e.ends))
		if e.back {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return b
}

// decodeList reads a list. One that is none holds nothing.
func decodeList(b []byte) []entry {
	if len(b) == 0 || b[0] != version || (len(b)-1)%entrySize != 0 || len(b) > 1+MostOf*entrySize {
		return nil
	}
	list := make([]entry, (len(b)-1)/entrySize)
	for i := range list {
		at := b[1+i*entrySize:]
		e := &list[i]
		copy(e.id[:], at)
		e.ends = atNanos(binary.BigEndian.Uint64(at[len(e.id):]))
		e.back = at[len(e.id)+8] == 1
	}
	return list
}

// relist changes the list of an account as one act.
func (b *Book) relist(ctx context.Context, r *Record, change func([]entry) ([]entry, error)) error {
	return b.store.Update(ctx, ownerKey(r.Directory, r.Account), func(old []byte) ([]byte, time.Duration, error) {
		now := b.now()
		list := slices.DeleteFunc(decodeList(old), func(e entry) bool { return !e.ends.After(now) })
		list, err := change(list)
		if err != nil {
			return nil, 0, err
		}
		var last time.Time
		for _, e := range list {
			if e.ends.After(last) {
				last = e.ends
			}
		}
		if len(list) == 0 || !last.After(now) {
			return nil, 0, nil
		}
		return encodeList(list), last.Sub(now), nil
	})
}

// enlist puts a session in the list of its account and says which one has to give way.
// Where it comes in the place of another that one must still be there: else all of the
// account were ended meanwhile.
func (b *Book) enlist(ctx context.Context, r *Record, id ID, before *ID) (pushed []ID, err error) {
	err = b.relist(ctx, r, func(list []entry) ([]entry, error) {
		pushed = nil
		if before != nil {
			at := slices.IndexFunc(list, func(e entry) bool { return e.id == *before })
			if at < 0 {
				return nil, ErrNone
			}
			list = slices.Delete(list, at, at+1)
		}
		for len(list) >= MostOf {
			at := max(0, slices.IndexFunc(list, func(e entry) bool { return !e.back }))
			pushed = append(pushed, list[at].id)
			list = slices.Delete(list, at, at+1)
		}
		return append(list, entry{id: id, ends: r.Ends, back: before != nil}), nil
	})
	return pushed, err
}

// cameBack notes in the list that a client keeps the session.
func (b *Book) cameBack(ctx context.Context, r *Record, id ID) error {
	return b.relist(ctx, r, func(list []entry) ([]entry, error) {
		for i := range list {
			if list[i].id == id {
				list[i].back = true
			}
		}
		return list, nil
	})
}

// isListed reports whether a session is in the list of its account.
func (b *Book) isListed(ctx context.Context, r *Record, id ID) (bool, error) {
	raw, err := b.store.Get(ctx, ownerKey(r.Directory, r.Account))
	return slices.ContainsFunc(decodeList(raw), func(e entry) bool { return e.id == id }), err
}

// delist takes a session out of the list of its account.
func (b *Book) delist(ctx context.Context, r *Record, id ID) error {
	return b.relist(ctx, r, func(list []entry) ([]entry, error) {
		return slices.DeleteFunc(list, func(e entry) bool { return e.id == id }), nil
	})
}

// takeList empties the list of an account.
func (b *Book) takeList(ctx context.Context, directory, account string) (list []entry, err error) {
	err = b.store.Update(ctx, ownerKey(directory, account), func(old []byte) ([]byte, time.Duration, error) {
		list = decodeList(old)
		return nil, 0, nil
	})
	return list, err
}
