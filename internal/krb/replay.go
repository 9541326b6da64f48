package krb

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// maxReplays bounds the memory of requests, at some 60 bytes each. Full, whoever has
// most of it is told to wait until his are too old, and the others go on; where
// nobody has much, all wait for the oldest to be forgotten.
const (
	maxReplays = 1 << 19
	muchOfIt   = 64 // its part that one client has much with
)

// Replays remembers requests that were accepted, so that none is twice, RFC 4120
// 3.2.3. A request is known by what the client encrypted, which nobody can change
// and keep good, and not by the names beside it. It is kept until its time is too
// old for any clock that is borne.
type Replays struct {
	mu      sync.Mutex
	most    int
	seen    map[[sha256.Size]byte]request
	senders map[string]*sender // by the name in the ticket
	next    time.Time          // when forgetting is worth a look again
	room    time.Time          // when looking for who has most is
}

type request struct {
	until int64 // Unix nanoseconds: when no clock takes it any more
	of    *sender
}

// sender is a client and how many requests of his are remembered.
type sender struct {
	n       int
	waiting int64 // until when none of his is accepted, because they are not remembered
}

// sweepEvery is how often what cannot be replayed any more is forgotten.
const sweepEvery = 30 * time.Second

// NewReplays has seen nothing.
func NewReplays() *Replays {
	return &Replays{most: maxReplays, seen: make(map[[sha256.Size]byte]request), senders: make(map[string]*sender)}
}

// note remembers a client's request until a moment, and fails where it is known: of
// many at once one passes.
func (r *Replays) note(client string, cipher []byte, now, until time.Time) error {
	print := sha256.Sum256(cipher)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !now.Before(r.next) {
		r.forget(now)
	}
	if known, ok := r.seen[print]; ok && now.UnixNano() <= known.until {
		return fmt.Errorf("%w: it was accepted before", ErrReplay)
	}
	if len(r.seen) >= r.most && !now.Before(r.room) {
		r.makeRoom()
		r.room = now.Add(time.Second)
	}
	s := r.senders[client]
	switch {
	case s != nil && now.UnixNano() <= s.waiting:
		return fmt.Errorf("%w: this client has sent more than all others, and waits until they are too old", ErrTooMany)
	case len(r.seen) >= r.most:
		return fmt.Errorf("%w: %d of them within ten minutes", ErrTooMany, len(r.seen))
	case s == nil:
		s = new(sender)
		r.senders[client] = s
	}
	s.n++
	r.seen[print] = request{until.UnixNano(), s}
	return nil
}

// makeRoom forgets the requests of whoever has sent most. None of his is accepted
// until the last of them is too old, so that none of them is accepted twice.
func (r *Replays) makeRoom() {
	var most *sender
	for _, s := range r.senders {
		if most == nil || s.n > most.n {
			most = s
		}
	}
	if most == nil || most.n < r.most/muchOfIt {
		return
	}
	for print, known := range r.seen {
		if known.of == most {
			most.waiting = max(most.waiting, known.until)
			delete(r.seen, print)
		}
	}
	most.n = 0
}

func (r *Replays) forget(now time.Time) {
	for print, known := range r.seen {
		if now.UnixNano() > known.until {
			known.of.n--
			delete(r.seen, print)
		}
	}
	for name, s := range r.senders {
		if s.n == 0 && now.UnixNano() > s.waiting {
			delete(r.senders, name)
		}
	}
	r.next = now.Add(sweepEvery)
	if len(r.seen) >= r.most {
		r.next = now.Add(time.Second) // somebody waits, and a sweep takes its time
	}
}

// Len is how many requests are remembered.
func (r *Replays) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}
