package store

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"
)

// defaultMost is how many values of a kind a Memory keeps where nothing else is said.
const defaultMost = 100_000

// Memory is a Store in this process. It runs nothing in the background.
type Memory struct {
	now   func() time.Time
	kinds map[Kind]*shelf
}

// shelf is the values of a kind.
type shelf struct {
	mu     sync.Mutex
	values *recent[string, kept]
}

type kept struct {
	value []byte
	until time.Time
}

var _ Store = (*Memory)(nil)

// NewMemory keeps at most so many values of each kind, 100,000 of one that most does not
// name; beyond that it forgets the one that was used longest ago. now is the clock.
func NewMemory(most map[Kind]int, now func() time.Time) *Memory {
	m := &Memory{now: now, kinds: make(map[Kind]*shelf)}
	for _, kind := range Kinds() {
		n := most[kind]
		if n <= 0 {
			n = defaultMost
		}
		m.kinds[kind] = &shelf{values: newRecent[string, kept](n)}
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
	switch {
	case err != nil:
		return err
	case len(value) > MaxValue:
		return fmt.Errorf("a value of %d bytes: %w", len(value), ErrTooLarge)
	case value == nil || keep <= 0:
		s.values.remove(key.Name)
	default:
		s.sweep(now)
		s.values.set(key.Name, kept{bytes.Clone(value), now.Add(keep)})
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
	s := m.kinds[key.Kind]
	switch {
	case s == nil:
		return nil, fmt.Errorf("a store keeps nothing of the kind %q", key.Kind)
	case len(key.Name) > MaxName:
		return nil, fmt.Errorf("a name of %d bytes: %w", len(key.Name), ErrTooLarge)
	}
	return s, nil
}

// live is a value that has not run out. Called with the lock held.
func (s *shelf) live(name string, now time.Time) []byte {
	k, ok := s.values.get(name)
	if !ok {
		return nil
	}
	if !k.until.After(now) {
		s.values.remove(name)
		return nil
	}
	return k.value
}

// sweep drops what has run out among the values that were used longest ago. Called with
// the lock held.
func (s *shelf) sweep(now time.Time) {
	for range 2 { // more than come, so that those that have run out get fewer
		name, k, ok := s.values.oldest()
		if !ok || k.until.After(now) {
			return
		}
		s.values.remove(name)
	}
}
