package caddyntlm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// memorySize is how many Basic log-ins a connection remembers. A browser uses
// one; the bound keeps a guesser from filling the memory of the server.
const memorySize = 4

// fingerprint stands for a directory, a name and a password. It is worthless
// to anybody who reads it from memory without the secret that keys it.
type fingerprint [sha256.Size]byte

// fingerprintOf hashes each part behind its length, so that no two triples
// make the same text: alicex with password 1 is not alice with password x1.
func (t *conns) fingerprintOf(key string, name identity.Name, password identity.Secret) fingerprint {
	mac := hmac.New(sha256.New, t.secret[:])
	for _, part := range [...]string{key, name.Domain, name.User, password.Reveal()} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	var sum fingerprint
	mac.Sum(sum[:0])
	return sum
}

// memory holds the Basic log-ins of one connection. Because the key is the
// credential itself it serves streams and proxied requests of several users.
type memory struct {
	entries [memorySize]struct {
		print fingerprint
		id    *identity.Identity
	}
	next int
}

// recall is the identity that a credential had, or nil.
func (c *conn) recall(print fingerprint) *identity.Identity {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.memory == nil {
		return nil
	}
	for i := range c.memory.entries {
		if e := &c.memory.entries[i]; e.id != nil && hmac.Equal(e.print[:], print[:]) {
			return e.id
		}
	}
	return nil
}

// remember keeps the identity of a credential, in the place of the oldest; a
// nil identity makes the connection forget it.
func (c *conn) remember(print fingerprint, id *identity.Identity) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.memory == nil && id == nil {
		return
	}
	if c.memory == nil {
		c.memory = new(memory)
	}
	m := c.memory
	for i := range m.entries {
		if m.entries[i].id != nil && m.entries[i].print == print {
			m.entries[i].id = id
			return
		}
	}
	if id == nil {
		return
	}
	m.entries[m.next].print, m.entries[m.next].id = print, id
	m.next = (m.next + 1) % memorySize
}
