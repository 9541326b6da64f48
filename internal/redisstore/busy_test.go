package redisstore

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// TestBusyIsNotDown: a value that everybody changes is no server that is down, so that nobody
// who asks for one value often takes the store away from the throttle.
func TestBusyIsNotDown(t *testing.T) {
	change := func([]byte) ([]byte, time.Duration, error) { return []byte("1"), time.Minute, nil }
	t.Run("at other nodes", func(t *testing.T) {
		t.Parallel()
		s := newFake(t, Config{}, func(command []string) string {
			switch command[0] {
			case "HELLO":
				return hello
			case "GET":
				return "_\r\n"
			}
			return "*1\r\n" + blob("another's")
		})
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrBusy) || !errors.Is(err, store.ErrDown) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("at this one", func(t *testing.T) {
		t.Parallel()
		s := newFake(t, Config{}, func([]string) string { return hello })
		done := make(chan struct{})
		var crowd sync.WaitGroup
		defer crowd.Wait()
		defer close(done)
		for range 20 {
			crowd.Go(func() {
				unlock, _, _ := s.stripes.lock(context.Background(), redisKey(session))
				select {
				case <-done:
				case <-time.After(limit / 10):
				}
				unlock()
			})
		}
		time.Sleep(limit / 20) // they are in the line
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("and who waits behind one who hangs has no crowd before him", func(t *testing.T) {
		t.Parallel()
		s := newFake(t, Config{}, func([]string) string { return hello })
		unlock, _, err := s.stripes.lock(t.Context(), redisKey(session))
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrDown) || errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nor where he gets his turn at last", func(t *testing.T) {
		t.Parallel()
		s := newFake(t, Config{}, func(command []string) string {
			if command[0] == "HELLO" {
				return hello
			}
			time.Sleep(2 * limit)
			return "_\r\n"
		})
		unlock, _, err := s.stripes.lock(t.Context(), redisKey(session))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(limit*9/10, unlock)
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrDown) || errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nor one who has lost a slow try", func(t *testing.T) {
		t.Parallel()
		var swaps atomic.Int32
		s := newFake(t, Config{}, func(command []string) string {
			switch {
			case command[0] == "HELLO":
				return hello
			case command[0] == "GET":
				time.Sleep(limit * 8 / 10)
				return "_\r\n"
			case swaps.Add(1) == 1:
				return "*1\r\n" + blob("another's")
			}
			time.Sleep(limit)
			return "_\r\n"
		})
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrDown) || errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nor one who waits behind those who had no answer", func(t *testing.T) {
		s := newFake(t, Config{}, nil)
		s.rest.failed(time.Now(), s.fault(errAnswer))
		late, cancel := s.bound(t.Context())
		defer cancel()
		if err := s.ended(late, errBusy); !errors.Is(err, store.ErrDown) || errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("and a slow server is down", func(t *testing.T) {
		t.Parallel()
		s := newFake(t, Config{}, func(command []string) string {
			if command[0] == "HELLO" {
				return hello
			}
			time.Sleep(limit * 6 / 10) // two of them are more than there is
			return "_\r\n"
		})
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrDown) || errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
		if err := s.rest.enter(time.Now()); err == nil {
			t.Error("it is asked again at once")
		}
	})
	t.Run("and no other fault is", func(t *testing.T) {
		s := newFake(t, Config{}, func([]string) string { return "-OOM\r\n" })
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrDown) || errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
}

// TestMilliseconds: what is kept for very long is not gone at once.
func TestMilliseconds(t *testing.T) {
	for keep, want := range map[time.Duration]string{1: "1", time.Millisecond: "1", time.Millisecond + 1: "2", time.Hour: "3600000", math.MaxInt64: "9223372036855"} {
		if got := milliseconds(keep); got != want {
			t.Errorf("%v: got %s, want %s", keep, got, want)
		}
	}
}
