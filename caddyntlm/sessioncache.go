package caddyntlm

import (
	"sync"

	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// mostKnown is how many sessions a door keeps read.
const mostKnown = 20_000

// knownSessions keeps what was read from the records of sessions, so that a request only
// fetches the record. An entry is of one edition of one session: what the store says
// counts, and not what is here.
type knownSessions struct {
	mu      sync.Mutex
	entries map[session.ID]knownSession
}

type knownSession struct {
	edition uint64
	held    held
}

func newKnownSessions() *knownSessions {
	return &knownSessions{entries: make(map[session.ID]knownSession)}
}

// of is what a session holds.
func (k *knownSessions) of(c *carried) (held, error) {
	k.mu.Lock()
	e, ok := k.entries[c.id]
	k.mu.Unlock()
	if ok && e.edition == c.record.Edition {
		return e.held, nil
	}
	read, err := readSnapshot(c.record.Snapshot)
	if err == nil {
		k.keep(c, read)
	}
	return read, err
}

// keep keeps what a session holds, in the place of any other where there are too many.
func (k *knownSessions) keep(c *carried, h held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, there := k.entries[c.id]; !there && len(k.entries) >= mostKnown {
		for any := range k.entries {
			delete(k.entries, any)
			break
		}
	}
	k.entries[c.id] = knownSession{c.record.Edition, h}
}

func (k *knownSessions) drop(id session.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.entries, id)
}
