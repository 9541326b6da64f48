package redisstore

import (
	"context"
	"hash/maphash"
)

// stripes are locks by key, a bounded number of them: those of one node who change one
// value wait for each other here, and not by failing at the server.
type stripes struct {
	seed  maphash.Seed
	locks []chan struct{} // a token in each that is taken
}

func newStripes() stripes {
	s := stripes{seed: maphash.MakeSeed(), locks: make([]chan struct{}, 256)}
	for i := range s.locks {
		s.locks[i] = make(chan struct{}, 1)
	}
	return s
}

// lock waits for a key's lock until the context ends. Whoever has it calls unlock.
func (s *stripes) lock(ctx context.Context, key string) (unlock func(), err error) {
	lock := s.locks[maphash.String(s.seed, key)%uint64(len(s.locks))]
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
