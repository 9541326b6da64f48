package store

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// DefaultMost is how many values of a kind a Memory keeps where nothing else is said.
const DefaultMost = 100_000

// What the values of a kind may take, since one alone may take MaxValue, and what each
// takes besides its bytes.
const (
	maxBytes = 256 << 20
	overhead = 256
)

// Memory is a Store in this process. It runs nothing in the background.
//
// The cache of identities is otter's, and this is not: that one counts entries or their
// weight, not both, runs goroutines of its own, and keeps by W-TinyLFU what is asked for
// often. Under a flood the youngest would go first there: a code that was spent a moment
// ago, or a session that was just opened, though it was confirmed. Here the youngest stay.
type Memory struct {
	now   func() time.Time
	kinds map[Kind]*shelf
}

// shelf is the values of a kind.
type shelf struct {
	mu     sync.Mutex
	values *recent[string, kept]
	bytes  int
	most   int // bytes
}

type kept struct {
	value []byte
	until time.Time
}

var _ Store = (*Memory)(nil)

// NewMemory keeps at most so many values of each kind, 100,000 of one that most does not
// name; beyond that, or beyond 256 MiB of a kind, it forgets the one that was used
// longest ago. now is the clock.
func NewMemory(most map[Kind]int, now func() time.Time) *Memory {
	m := &Memory{now: now, kinds: make(map[Kind]*shelf)}
	for _, kind := range Kinds() {
		n := most[kind]
		if n <= 0 {
			n = DefaultMost
		}
		m.kinds[kind] = &shelf{values: newRecent[string, kept](n), most: maxBytes}
	}
	return m
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, key Key) ([]byte, error) {
	s, err := m.shelf(key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.live(key.Name, m.now())), nil
}

// Update implements Store.
func (m *Memory) Update(_ context.Context, key Key, change Change) error {
	s, err := m.shelf(key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := m.now()
	value, keep, err := change(s.live(key.Name, now))
	if err != nil {
		return err
	}
	if err := CheckValue(value); err != nil {
		return err
	}
	s.drop(key.Name)
	if value != nil && keep > 0 {
		s.sweep(now)
		s.put(key.Name, kept{bytes.Clone(value), now.Add(keep)})
	}
	return nil
}

// Each implements Store.
func (m *Memory) Each(_ context.Context, kind Kind, visit func(string, []byte) bool) error {
	s, err := m.shelf(Key{Kind: kind})
	if err != nil {
		return err
	}
	now, all := m.now(), make(map[string][]byte)
	s.mu.Lock()
	s.values.each(func(name string, k kept) bool {
		if k.until.After(now) {
			all[name] = bytes.Clone(k.value)
		}
		return true
	})
	s.mu.Unlock()
	for name, value := range all {
		if !visit(name, value) {
			break
		}
	}
	return nil
}

// Shared implements Store.
func (*Memory) Shared() bool { return false }

func (m *Memory) shelf(key Key) (*shelf, error) {
	if err := key.Check(); err != nil {
		return nil, err
	}
	return m.kinds[key.Kind], nil
}

// live is a value that has not run out. Called with the lock held.
func (s *shelf) live(name string, now time.Time) []byte {
	k, ok := s.values.get(name)
	if !ok {
		return nil
	}
	if !k.until.After(now) {
		s.drop(name)
		return nil
	}
	return k.value
}

// put keeps a value that is not there, and makes room for it. Called with the lock held.
func (s *shelf) put(name string, k kept) {
	for s.bytes+k.weight(name) > s.most {
		s.dropOldest()
	}
	if s.values.full() {
		s.dropOldest()
	}
	s.values.set(name, k)
	s.bytes += k.weight(name)
}

func (s *shelf) dropOldest() {
	if name, _, ok := s.values.oldest(); ok {
		s.drop(name)
	}
}

// drop forgets a value, where it is there. Called with the lock held.
func (s *shelf) drop(name string) {
	if k, ok := s.values.get(name); ok {
		s.values.remove(name)
		s.bytes -= k.weight(name)
	}
}

func (k kept) weight(name string) int { return len(name) + len(k.value) + overhead }

// sweep drops what has run out among the values that were used longest ago. Called with
// the lock held.
func (s *shelf) sweep(now time.Time) {
	for range 2 { // more than come, so that those that have run out get fewer
		name, k, ok := s.values.oldest()
		if !ok || k.until.After(now) {
			return
		}
		s.drop(name)
	}
}
