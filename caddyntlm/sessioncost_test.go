package caddyntlm

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// countedStore counts what is asked of a store that other nodes use too.
type countedStore struct {
	store.Store
	gets, updates atomic.Int64
}

func (*countedStore) Shared() bool { return true }

func (s *countedStore) Get(ctx context.Context, key store.Key) ([]byte, error) {
	s.gets.Add(1)
	return s.Store.Get(ctx, key)
}

func (s *countedStore) Update(ctx context.Context, key store.Key, change store.Change) error {
	s.updates.Add(1)
	return s.Store.Update(ctx, key, change)
}

// A request with a session is one round trip to the store, by cookie and by key, on a site
// with a second factor too; nothing saves that one, since another node may have ended the
// session. What is written is bounded by time: the first use in two values, then once a
// minute, and with each identity that is looked up again.
func TestSessionIsOneGet(t *testing.T) {
	const minutes, lookUps, aMinute = 10, 2, 4
	clock := middleOfStep()
	kept := &countedStore{Store: store.NewMemory(nil, clock.now)}
	lax := newFactorSessionDoor(t, kept, clock, func(d *door) { d.TOTP = nil })
	strict := newFactorSessionDoor(t, kept, clock, nil)
	for name, test := range map[string]struct {
		door *sessionDoor
		open func() string
	}{
		"cookie": {strict, func() string {
			return cookieOf(strict.get(t, asPage, basic("alice", "secret-a"+codeAt(t, aliceURI, clock.now(), 0))))
		}},
		"key": {lax, func() string {
			return "Authorization: Bearer " + lax.ask(t, 1, "/key", lax.logIn(t, "bob")).text
		}},
	} {
		t.Run(name, func(t *testing.T) {
			header := test.open()
			requests := func(n int, every time.Duration) (gets, updates int64) {
				t.Helper()
				kept.gets.Store(0)
				kept.updates.Store(0)
				for range n {
					clock.advance(every)
					if got := test.door.get(t, header); got.StatusCode != 200 {
						t.Fatalf("got %d", got.StatusCode)
					}
				}
				return kept.gets.Load(), kept.updates.Load()
			}
			if gets, updates := requests(1, time.Second); gets != 1 || updates > 2 {
				t.Errorf("the first: got %d reads and %d changes, want 1 and 2 at most", gets, updates)
			}
			if gets, updates := requests(50, time.Second); gets != 50 || updates != 0 {
				t.Errorf("50 in a minute: got %d reads and %d changes, want one read each", gets, updates)
			}
			gets, updates := requests(minutes*aMinute, time.Minute/aMinute)
			if gets != minutes*aMinute || updates == 0 || updates > minutes+lookUps {
				t.Errorf("%d in %d minutes: got %d reads and %d changes, want one read each and %d changes at most", minutes*aMinute, minutes, gets, updates, minutes+lookUps)
			}
			t.Logf("%d changes in %d minutes", updates, minutes)
		})
	}
}
