package krb

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// opened is a ticket that a key of the keytab has opened: what its sealed part says,
// and what follows from that alone. It is not changed any more once it is remembered.
type opened struct {
	part        *messages.EncTicketPart
	key         types.EncryptionKey // that opened it
	pac         []byte
	certificate any // of Acceptor.Certify
	known       bool
}

// decrypt tries the keys of a ticket's enctype.
func (a *Acceptor) decrypt(t *messages.Ticket) (*opened, error) {
	keys, known := a.Keytab.fitting(t.Realm, t.EncPart.EType, uint32(t.EncPart.KVNO))
	for _, k := range keys {
		plain, err := open(t.EncPart, k.value, usageTicket)
		if err != nil {
			continue
		}
		o := &opened{part: new(messages.EncTicketPart), key: k.value}
		if err := o.part.Unmarshal(plain); err != nil {
			return nil, fmt.Errorf("%w: ticket: %w", ErrMalformed, err)
		}
		return o, nil
	}
	if !known {
		return nil, fmt.Errorf("%w: version %d of %s", ErrNoKey, t.EncPart.KVNO, Etype(t.EncPart.EType))
	}
	return nil, fmt.Errorf("%w: no key of %s opens it", ErrForged, Etype(t.EncPart.EType))
}

// openings remembers opened tickets, because clients send theirs with each request.
// What it says is what the same keys would find again in the same bytes, and no
// more: whom the request names, enctypes, flags, times, realm, the authenticator and
// replay are looked at each time. A ticket gets in by a request that was accepted. The
// memory is the keytab's, and goes with it when the file is read anew.
//
// There are two halves: a full or old one takes the other's place, whose tickets are
// forgotten unless somebody has used them since.
type openings struct {
	mu          sync.Mutex
	now, before map[[sha256.Size]byte]*opened
	size        int       // of what is in now, in bytes
	since       time.Time // when now began
}

// Limits of a half: some five thousand tickets of usual size, which take their PAC
// twice with what is made of it.
const (
	maxOpenings  = 32 << 20 // bytes
	perOpening   = 4 << 10  // beside the PAC
	openingsTime = time.Hour
)

// printOf knows a ticket by all that decides what opening it gives: which keys are
// tried is a matter of the realm and the enctype.
func printOf(t *messages.Ticket) (print [sha256.Size]byte) {
	h := sha256.New()
	_, _ = h.Write(binary.BigEndian.AppendUint32([]byte(t.Realm+"\x00"), uint32(t.EncPart.EType)))
	_, _ = h.Write(t.EncPart.Cipher)
	h.Sum(print[:0])
	return print
}

// recall gives a ticket that was opened before, nil for another.
func (m *openings) recall(print [sha256.Size]byte, now time.Time) *opened {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	if o := m.now[print]; o != nil {
		return o
	}
	o := m.before[print]
	if o != nil {
		m.put(print, o)
	}
	return o
}

// keep remembers one.
func (m *openings) keep(print [sha256.Size]byte, o *opened, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	o.known = true
	m.put(print, o)
}

func (m *openings) put(print [sha256.Size]byte, o *opened) {
	size := perOpening + 2*len(o.pac)
	if m.size+size > maxOpenings {
		m.before, m.now, m.size = m.now, nil, 0
	}
	if m.now == nil {
		m.now = make(map[[sha256.Size]byte]*opened)
	}
	if m.now[print] == nil {
		m.size += size
	}
	m.now[print] = o
}

// turn ends a half that is old, and both where nothing was asked for so long.
func (m *openings) turn(now time.Time) {
	age := now.Sub(m.since)
	if age >= 0 && age < openingsTime {
		return
	}
	m.before = m.now
	if age < 0 || age >= 2*openingsTime {
		m.before = nil
	}
	m.now, m.size, m.since = nil, 0, now
}
