package caddyntlm

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// sharedStore is one that other nodes use too, and that may be down.
type sharedStore struct {
	store.Store
	down atomic.Bool
}

func (*sharedStore) Shared() bool { return true }

func (s *sharedStore) Update(ctx context.Context, key store.Key, change store.Change) error {
	if s.down.Load() {
		return fmt.Errorf("a test: %w", store.ErrDown)
	}
	return s.Store.Update(ctx, key, change)
}

// singleContext is of a request that every node knows by the same name.
type singleContext struct {
	identity.TicketContext
	name string
}

func (c *singleContext) Single() (string, time.Time) { return c.name, time.Now().Add(time.Minute) }

// TestTicketAtAnotherNode: threats C-02. A request that one node has accepted is refused
// by the other; while the store is down each knows its own, and the log says so once a
// minute.
func TestTicketAtAnotherNode(t *testing.T) {
	shared := &sharedStore{Store: store.NewMemory(nil, time.Now)}
	node := func() *door {
		return newDoor(t, func(d *door) {
			d.dir.tickets = &fakeTickets{directory: d.dir, single: true}
			d.store = shared
		})
	}
	one, two := node(), node()
	one.dial(t).get(negotiate(ticketOf("alice"))).wantUser(t, "alice")
	two.dial(t).get(negotiate(ticketOf("alice"))).want(t, 401, negotiated...)
	two.wantReason(t, identity.KindReplay)
	two.dial(t).get(negotiate(ticketOf("bob"))).wantUser(t, "bob")
	shared.down.Store(true)
	for range 3 {
		two.dial(t).get(negotiate(ticketOf("bob"))).wantUser(t, "bob")
	}
	if got := two.logs.FilterMessageSnippet("the store does not answer").Len(); got != 1 {
		t.Errorf("got %d lines about the store, want 1", got)
	}
}
