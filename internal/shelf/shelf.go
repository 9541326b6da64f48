// Package shelf keeps what outlives a configuration: whoever finds his own unchanged in the
// next one goes on with it, and what nobody holds any more is closed.
package shelf

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
)

// Thing is what is kept.
type Thing interface {
	// Close ends it. Nobody holds it then.
	Close() error
}

// Shelf keeps things of a kind, each under a hash of the configuration that it was made of:
// a keyed one, so that it tells nobody the secrets in that. It is safe for concurrent use.
type Shelf[T Thing] struct {
	secret [32]byte
	mu     sync.Mutex
	kept   []*item[T]
}

type item[T Thing] struct {
	print   [sha256.Size]byte
	thing   T
	holders int
}

// New makes an empty shelf.
func New[T Thing]() *Shelf[T] {
	s := new(Shelf[T])
	_, _ = rand.Read(s.secret[:]) // never fails: crypto/rand ends the program instead
	return s
}

// Hold finds the thing that was made of a configuration and fits still, or makes a new one.
// What a configuration names, such as a file, may change under it: fits says whether it
// has. Release gives the thing back; more than once is once.
func (s *Shelf[T]) Hold(configuration []byte, fits func(T) bool, open func() (T, error)) (thing T, release func() error, err error) {
	mac := hmac.New(sha256.New, s.secret[:])
	mac.Write(configuration)
	print := [sha256.Size]byte(mac.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.kept, func(i *item[T]) bool { return i.print == print && fits(i.thing) })
	if at < 0 {
		if thing, err = open(); err != nil {
			var none T
			return none, nil, err
		}
		at = len(s.kept)
		s.kept = append(s.kept, &item[T]{print: print, thing: thing})
	}
	found := s.kept[at]
	found.holders++
	return found.thing, sync.OnceValue(func() error { return s.release(found) }), nil
}

// release closes a thing that nobody else holds.
func (s *Shelf[T]) release(i *item[T]) error {
	s.mu.Lock()
	i.holders--
	last := i.holders == 0
	if last {
		s.kept = slices.DeleteFunc(s.kept, func(other *item[T]) bool { return other == i })
	}
	s.mu.Unlock()
	if !last {
		return nil
	}
	return i.thing.Close()
}

// All are the things that somebody holds, in the order in which they were made.
func (s *Shelf[T]) All() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]T, len(s.kept))
	for n, i := range s.kept {
		all[n] = i.thing
	}
	return all
}
