package caddyntlm

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

//
func TestHijackedAndClosedAreForgotten(t *testing.T) {
	for _, state := range []http.ConnState{http.StateClosed, http.StateHijacked} {
		table := newConns()
		a, b := net.Pipe()
		ctx := table.connContext(t.Context(), a)
		if again := newConns().connContext(ctx, a); again != ctx {
			t.Error("a second hook changed the context")
		}
		c := connOf(ctx)
		x := &fakeExchange{dir: newFakeDirectory("EXAMPLE")}
		pending := newQuota(1, 1)
		place, err := pending.enter(netip.Prefix{}, false)
		if err != nil {
			t.Fatal(err)
		}
		c.step("k", eventNegotiate, held{})
		c.step("k", eventIssued, held{handshake: &handshake{exchange: x, place: place}})
		table.connState(a, http.StateActive)
		if len(table.open) != 1 {
			t.Fatal("an active connection was forgotten")
		}
		table.connState(a, state)
		if len(table.open) != 0 || pending.taken.Load() != 0 {
			t.Errorf("state %v: got %d connections and %d places, want none", state, len(table.open), pending.taken.Load())
		}
		if do, _ := c.step("k", eventNegotiate, held{}); do != doRefuse {
			t.Error("a connection that ended begins a handshake")
		}
		if do, _ := c.step("another", eventNegotiate, held{}); do != doRefuse {
			t.Error("a connection that ended begins a handshake with another directory")
		}
		_, _ = a.Close(), b.Close()
	}
}

// an upgrade frees who was known on the connection, by NTLM and by Basic,
// not only the handshake that waits.
func TestHijackFreesTheIdentity(t *testing.T) {
	table, id := newConns(), newFakeDirectory("EXAMPLE").account("alice")
	nc, other := net.Pipe()
	t.Cleanup(func() { _, _ = nc.Close(), other.Close() })
	c := connOf(table.connContext(t.Context(), nc))
	c.step("k", eventNegotiate, held{})
	c.step("k", eventAccepted, held{id: id, scheme: schemeNTLM})
	c.remember(fingerprint{1}, id)
	if do, known := c.step("k", eventNothing, held{}); do != doIdentify || known.id != id {
		t.Fatal("nobody is known, which proves nothing")
	}
	table.connState(nc, http.StateHijacked)
	if do, known := c.step("k", eventNothing, held{}); do != doChallenge || known.id != nil {
		t.Errorf("got action %d and %v, want a challenge", do, known.id)
	}
	if c.seat("k").held != (held{}) || c.memory != nil || c.recall(fingerprint{1}) != nil {
		t.Error("the identity is held still")
	}
	c.remember(fingerprint{2}, id)
	if c.recall(fingerprint{2}) != nil {
		t.Error("a connection that is gone learns")
	}
}

// uncomparable is a connection that cannot be the key of a map.
type uncomparable struct {
	net.Conn
	_ []byte
}

func TestConnectionThatCannotBeAKey(t *testing.T) {
	if connOf(newConns().connContext(t.Context(), uncomparable{})) != nil {
		t.Error("got a slot")
	}
}

// after an upgrade the connection is not the door's any more.
func TestHijack(t *testing.T) {
	d := newDoor(t, func(d *door) {
		d.inner = append(d.inner, middleware(func(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return err
			}
			_, err = nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"))
			return errors.Join(err, nc.Close())
		}))
	})
	c := d.dial(t)
	first := c.get(type1())
	c.get("Connection: upgrade", "Upgrade: websocket", type3(first.challenge(), "alice", "secret-a")).want(t, 101)
	d.conns.mu.Lock()
	defer d.conns.mu.Unlock()
	if got := len(d.conns.open); got != 0 {
		t.Errorf("got %d connections remembered, want 0", got)
	}
}
