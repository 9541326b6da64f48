package krb

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// maxReplays bounds the memory of requests, at some 60 bytes each. Full, no
// ticket is accepted until the oldest are forgotten, ten minutes later: whoever
// gets there has half a million good tickets in that time.
const maxReplays = 1 << 19

// Replays remembers requests that were accepted, so that none is twice, RFC 4120
// 3.2.3. A request is known by what the client encrypted, which nobody can change
// and keep good, and not by the names beside it. It is kept until its time is too
// old for any clock that is borne.
type Replays struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // until when it could be replayed
	next time.Time                       // when forgetting is worth a look again
}

// sweepEvery is how often what cannot be replayed any more is forgotten.
const sweepEvery = 30 * time.Second

// NewReplays has seen nothing.
func NewReplays() *Replays { return &Replays{seen: make(map[[sha256.Size]byte]time.Time)} }

// note remembers a request until a moment, and fails where it is known: of many
// at once one passes.
func (r *Replays) note(cipher []byte, now, until time.Time) error {
	print := sha256.Sum256(cipher)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !now.Before(r.next) {
		r.forget(now)
	}
	if known, ok := r.seen[print]; ok && !now.After(known) {
		return fmt.Errorf("%w: it was accepted before", ErrReplay)
	}
	if len(r.seen) >= maxReplays {
		return fmt.Errorf("%w: %d of them within ten minutes", ErrTooMany, len(r.seen))
	}
	r.seen[print] = until
	return nil
}

func (r *Replays) forget(now time.Time) {
	for print, until := range r.seen {
		if now.After(until) {
			delete(r.seen, print)
		}
	}
	r.next = now.Add(sweepEvery)
	if len(r.seen) >= maxReplays {
		r.next = now.Add(time.Second) // somebody waits, and a sweep takes its time
	}
}

// Len is how many requests are remembered.
func (r *Replays) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}
