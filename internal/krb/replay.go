package krb

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// maxReplays bounds the memory of requests, at some 50 bytes each: what comes in five
// minutes where 7,000 come in a second. Full, whoever has most of it is told to wait
// until his are too old, and the others go on; where nobody has much, all wait for the
// oldest to be forgotten.
const (
	maxReplays = 1 << 21
	muchOfIt   = 64 // its part that one client has much with
)

// Replays remembers requests that were accepted, so that none is twice, RFC 4120
// 3.2.3. A request is known by what the client encrypted, which nobody can change
// and keep good, and not by the names beside it. It is kept until its time is too
// old, together with those of the same half minute: that time stands in the request
// itself, so that it is known where to look.
type Replays struct {
	mu      sync.Mutex
	most, n int
	slots   map[int64]slot
	oldest  int64              // slots before it were forgotten
	senders map[string]*sender // by the name in the ticket
	room    time.Time          // when looking for who has most is worth it again
}

// slotLength is how long the end of a slot is after its beginning.
const slotLength = 30 * time.Second

// print is the half of a SHA-256.
type print [16]byte

// slot are the requests that are too old when it ends.
type slot map[print]*sender

// sender is a client and how many requests of his are remembered.
type sender struct {
	n       int
	waiting int64 // the slots before it were forgotten where they were his
}

// NewReplays has seen nothing.
func NewReplays() *Replays {
	return &Replays{most: maxReplays, slots: make(map[int64]slot), senders: make(map[string]*sender)}
}

// note remembers a client's request until the moment from which nobody takes it for
// its time, says what it is known by, and fails where it is known already: of many at once one passes. What is
// forgotten already is refused, whatever the clock says now: it may have been set
// back.
func (r *Replays) note(client string, cipher []byte, now, until time.Time) (print, error) {
	sum := sha256.Sum256(cipher)
	p := print(sum[:16])
	return p, r.add(client, p, now, until)
}

func (r *Replays) add(client string, p print, now, until time.Time) error {
	at := slotOf(until)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(slotOf(now))
	if at < r.oldest {
		return fmt.Errorf("%w: requests of its time are forgotten, since our clock was ahead", ErrReplay)
	}
	if _, known := r.slots[at][p]; known {
		return fmt.Errorf("%w: it was accepted before", ErrReplay)
	}
	if r.n >= r.most && !now.Before(r.room) {
		r.makeRoom()
		r.room = now.Add(time.Second)
	}
	s := r.senders[client]
	switch {
	case s != nil && slotOf(now) < s.waiting:
		return fmt.Errorf("%w: this client has sent more than all others, and waits until they are too old", ErrTooMany)
	case r.n >= r.most:
		return fmt.Errorf("%w: %d of them within minutes", ErrTooMany, r.n)
	case s == nil:
		s = new(sender)
		r.senders[client] = s
	}
	if r.slots[at] == nil {
		r.slots[at] = make(slot)
	}
	r.slots[at][p] = s
	s.n++
	r.n++
	return nil
}

func slotOf(t time.Time) int64 { return t.UnixNano() / int64(slotLength) }

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
	for at, requests := range r.slots {
		for p, s := range requests {
			if s == most {
				most.waiting = max(most.waiting, at+1)
				delete(requests, p)
			}
		}
	}
	r.n -= most.n
	most.n = 0
}

// forget lets go of the slots that have ended.
func (r *Replays) forget(now int64) {
	forgotten := false
	for at, requests := range r.slots {
		if at >= now {
			continue
		}
		for _, s := range requests {
			s.n--
		}
		r.n -= len(requests)
		delete(r.slots, at)
		r.oldest, forgotten = max(r.oldest, at+1), true
	}
	if !forgotten {
		return
	}
	for name, s := range r.senders {
		if s.n == 0 && now >= s.waiting {
			delete(r.senders, name)
		}
	}
}

// Len is how many requests are remembered.
func (r *Replays) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}
