package redisstore

import (
	"errors"
	"math"
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
		unlock, err := s.stripes.lock(t.Context(), redisKey(session))
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrBusy) {
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
