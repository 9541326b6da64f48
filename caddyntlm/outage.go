package caddyntlm

import (
	"sync"
	"sync/atomic"
	"time"
)

// outage is the time in which a store does not work. It says when to write of it.
type outage struct {
	on atomic.Bool

	mu            sync.Mutex
	since         time.Time
	reads, writes bool // which of them have failed
	told          bool // the administrator knows
	next          time.Time
}

// failed notes that an operation has failed, and says whether to write a line: one a
// minute.
func (o *outage) failed(now time.Time, write bool) (tell bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on.Load() {
		o.since, o.reads, o.writes, o.told = now, false, false, false
		o.on.Store(true)
	}
	o.reads, o.writes = o.reads || !write, o.writes || write
	if now.Before(o.next) {
		return false
	}
	o.told, o.next = true, now.Add(time.Minute)
	return true
}

// worked notes that an operation has worked, and says whether to write that the store is
// back, and how long it was away. A server that is full or a replica is still read:
// where writes alone have failed, a write must work.
func (o *outage) worked(now time.Time, write bool) (lasted time.Duration, tell bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on.Load() || !write && !o.reads {
		return 0, false
	}
	o.on.Store(false)
	return now.Sub(o.since), o.told
}
