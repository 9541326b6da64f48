package caddyldap

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// maxPurged is how many people may be purged by name at a time; one more, and all are.
const maxPurged = 1000

// purges are the moments from before which identities are of no use: everybody's, and
// those of people whom an administrator has named. The zero value has none.
type purges struct {
	all   atomic.Int64 // unix nanoseconds
	named atomic.Bool  // there are people

	mu     sync.Mutex
	people map[string]int64 // by folded name
}

func (p *purges) everybody(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all.Store(now.UnixNano())
	p.named.Store(false)
	p.people = nil
}

// person purges whoever is called so now, or comes to be: by DOMAIN\name, the name alone,
// a UPN, or what tells accounts apart, such as a SID.
func (p *purges) person(name string, now time.Time) {
	p.mu.Lock()
	full := len(p.people) >= maxPurged
	if !full {
		if p.people == nil {
			p.people = make(map[string]int64)
		}
		p.people[identity.Fold(name)] = now.UnixNano()
		p.named.Store(true)
	}
	p.mu.Unlock()
	if full {
		p.everybody(now)
	}
}

// of is the moment for somebody, in Unix nanoseconds; 0 where there was none.
func (p *purges) of(id *identity.Identity) int64 {
	at := p.all.Load()
	if !p.named.Load() {
		return at
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range namesOf(id) {
		at = max(at, p.people[name])
	}
	return at
}

// namesOf are the names by which an administrator may call somebody, folded.
func namesOf(id *identity.Identity) []string {
	folded := id.Folded()
	return []string{folded.SAM, identity.Fold(id.Logon()), folded.UPN, identity.Fold(id.AccountKey())}
}
