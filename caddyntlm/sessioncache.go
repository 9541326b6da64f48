package caddyntlm

import (
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// Bounds of what a door keeps of sessions that it has read, in words of sixteen bytes: a
// group is one, as identity keeps it, and the rest of a session some sixty.
const (
	mostKnown = 4 << 20          // words in a generation: 30,000 sessions of people in 70 groups
	ofAny     = 64               // words of a session without groups
	turnAfter = 30 * time.Minute // a generation gives way to the next
)

// knownSessions keeps what was read from the records of sessions, so that a request only
// fetches the record. An entry is of one edition of one session: what the store says
// counts, and not what is here. There are two generations: what is used moves into the
// younger one, and the older one goes as a whole, with the sessions that nobody has come
// back with.
type knownSessions struct {
	now        func() time.Time
	mu         sync.Mutex
	young, old map[session.ID]knownSession
	weight     int // of the younger generation
	turned     time.Time
}

type knownSession struct {
	edition uint64
	held    held
}

func (e *knownSession) weight() int { return ofAny + e.held.id.CountGroups() }

func newKnownSessions(now func() time.Time) *knownSessions {
	return &knownSessions{now: now, young: make(map[session.ID]knownSession), turned: now()}
}

// of is what a session holds.
func (k *knownSessions) of(c *carried) (held, error) {
	if e, ok := k.find(c.id); ok && e.edition == c.record.Edition {
		return e.held, nil
	}
	read, err := readSnapshot(c.record.Snapshot)
	if err == nil {
		k.keep(c, read)
	}
	return read, err
}

func (k *knownSessions) find(id session.ID) (knownSession, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now().Sub(k.turned) >= turnAfter {
		k.turn()
	}
	e, ok := k.young[id]
	if ok {
		return e, true
	}
	if e, ok = k.old[id]; ok {
		delete(k.old, id)
		k.put(id, e)
	}
	return e, ok
}

// keep keeps what a session holds.
func (k *knownSessions) keep(c *carried, h held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(c.id)
	k.put(c.id, knownSession{c.record.Edition, h})
}

// put adds what is in neither generation.
func (k *knownSessions) put(id session.ID, e knownSession) {
	if k.weight+e.weight() > mostKnown {
		k.turn()
	}
	k.young[id] = e
	k.weight += e.weight()
}

func (k *knownSessions) turn() {
	k.young, k.old, k.weight, k.turned = make(map[session.ID]knownSession), k.young, 0, k.now()
}

func (k *knownSessions) drop(id session.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(id)
}

func (k *knownSessions) remove(id session.ID) {
	if e, ok := k.young[id]; ok {
		k.weight -= e.weight()
		delete(k.young, id)
	}
	delete(k.old, id)
}
