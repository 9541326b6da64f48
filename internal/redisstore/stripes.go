package redisstore

import (
	"context"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"time"
)

// stripes are locks by key, a bounded number of them: those of one node who change one
// value wait for each other here, and not by failing at the server.
type stripes struct {
	seed  maphash.Seed
	locks []stripe
}

type stripe struct {
	taken       chan struct{} // a token in it while it is
	since, slow atomic.Int64  // it is, and somebody last gave it back who had it for long: nanoseconds of Unix
}

var (
	errBusy = errors.New("those who change the same value took too long")
	errHung = errors.New("no answer to who changes the same value")
)

func newStripes() stripes {
	s := stripes{seed: maphash.MakeSeed(), locks: make([]stripe, 256)}
	for i := range s.locks {
		s.locks[i].taken = make(chan struct{}, 1)
	}
	return s
}

// slowTurn is for how long nobody has a lock whom the server answers.
const slowTurn = limit / 4

// lock waits for a key's lock until the context ends. Whoever has it calls unlock. crowded
// says that none of those before had it for long; where it is not to be had the error is
// errBusy then, and else errHung: it is the server that they have waited for.
func (s *stripes) lock(ctx context.Context, key string) (unlock func(), crowded bool, err error) {
	lock := &s.locks[maphash.String(s.seed, key)%uint64(len(s.locks))]
	began := time.Now().UnixNano()
	select {
	case lock.taken <- struct{}{}:
		crowded = lock.slow.Load() < began
		lock.since.Store(time.Now().UnixNano())
		return lock.unlock, crowded, nil
	case <-ctx.Done():
		if lock.slow.Load() >= began || lock.isSlow(time.Now().UnixNano()) {
			return nil, false, errHung
		}
		return nil, true, errBusy
	}
}

func (l *stripe) isSlow(now int64) bool { return now-l.since.Load() >= int64(slowTurn) }

func (l *stripe) unlock() {
	if now := time.Now().UnixNano(); l.isSlow(now) {
		l.slow.Store(now)
	}
	<-l.taken
}
