package throttle

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

const (
	// downPause is for how long a shared store that is down is not asked again.
	downPause = time.Second
	// warnPause is between two warnings that it is.
	warnPause = time.Minute
)

// Process is what a process keeps for itself, over all configurations: what no store
// may see, who waits for whom, and what it has counted itself, for while a shared store
// is down. It is safe for concurrent use, and runs nothing in the background.
type Process struct {
	now    func() time.Time
	key    [32]byte      // of fingerprints
	memory *store.Memory // what this process has counted
	prints *store.Memory // of passwords, and who was marked a moment ago

	paying chan struct{} // held by whoever tells a shared store what is owed

	mu        sync.Mutex
	turns     map[turnKey]*turn
	bells     map[string]*bell
	claims    map[claim]asked
	owed      []owed
	telling   []owed // by whoever pays
	downUntil time.Time
	nextWarn  time.Time
}

// NewProcess starts with nothing counted. most is how many accounts and addresses are
// kept, each; now is the clock.
func NewProcess(most int, now func() time.Time) *Process {
	bounds := map[store.Kind]int{store.KindAccount: most, store.KindAddress: most}
	p := &Process{
		now: now, memory: store.NewMemory(bounds, now), prints: store.NewMemory(bounds, now),
		turns: make(map[turnKey]*turn), bells: make(map[string]*bell), claims: make(map[claim]asked),
		paying: make(chan struct{}, 1),
	}
	_, _ = rand.Read(p.key[:]) // never fails, crypto/rand
	return p
}

// isDown reports whether a shared store did not answer a moment ago.
func (p *Process) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Before(p.downUntil)
}

// noteDown notes that it does not, and reports whether a warning is due.
func (p *Process) noteDown() (due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.downUntil = now.Add(downPause)
	if due = !now.Before(p.nextWarn); due {
		p.nextWarn = now.Add(warnPause)
	}
	return due
}
