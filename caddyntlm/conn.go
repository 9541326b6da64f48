package caddyntlm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// connKey finds the *conn in the context of a request. All handlers of a
// server share what a connection remembers; the seat of a directory keeps them
// apart.
type connKey struct{}

// conns holds the open connections that one handler's hook met first.
type conns struct {
	seed   string   // tells the connections of two configurations apart in the log
	secret [32]byte // of remembered passwords, see memory
	mu     sync.Mutex
	last   uint64
	said   atomic.Pointer[said] // by the client that logged in last
	open   map[net.Conn]*conn
}

func newConns() *conns {
	t := &conns{open: make(map[net.Conn]*conn)}
	var seed [4]byte
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand ends the program instead
	_, _ = rand.Read(t.secret[:])
	t.seed = hex.EncodeToString(seed[:])
	return t
}

// connContext is the hook of http.Server.ConnContext. Each handler of a server
// adds one; the first makes the conn and the others leave it alone.
func (t *conns) connContext(ctx context.Context, nc net.Conn) context.Context {
	if ctx.Value(connKey{}) != nil || !reflect.TypeOf(nc).Comparable() {
		return ctx
	}
	c := &conn{table: t}
	t.mu.Lock()
	t.last++
	c.number = t.last
	t.open[nc] = c
	t.mu.Unlock()
	return context.WithValue(ctx, connKey{}, c)
}

// connState is the hook of http.Server.ConnState. After a hijack "closed" never
// comes, so both end what the connection remembers.
func (t *conns) connState(nc net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	t.mu.Lock()
	c := t.open[nc]
	delete(t.open, nc)
	t.mu.Unlock()
	c.end()
}

// eachSeat visits the seats of all open connections, one connection at a time: none waits
// for another's.
func (t *conns) eachSeat(visit func(*seat)) {
	t.mu.Lock()
	open := slices.Collect(maps.Values(t.open))
	t.mu.Unlock()
	for _, c := range open {
		c.mu.Lock()
		for i := range c.seats {
			visit(&c.seats[i])
		}
		c.mu.Unlock()
	}
}

// endAll ends everything that waits, when the handler's configuration goes.
func (t *conns) endAll() {
	t.mu.Lock()
	open := t.open
	t.open = make(map[net.Conn]*conn)
	t.mu.Unlock()
	for _, c := range open {
		c.end()
	}
}

// conn is what one connection remembers. It lives and dies with the connection
// object, never with an address. A nil conn remembers nothing.
type conn struct {
	table   *conns
	number  uint64
	retryAt atomic.Int64 // unix nanoseconds: no renewal before, a controller was down
	shared  atomic.Bool  // a proxy was seen
	met     atomic.Bool  // a request was
	mu      sync.Mutex
	gone    bool    // closed or hijacked
	seats   []seat  // one a directory: mostly one
	memory  *memory // Basic log-ins
}

// String names the connection in the log.
func (c *conn) String() string {
	if c == nil {
		return ""
	}
	return c.table.seed + "-" + strconv.FormatUint(c.number, 10)
}

// step moves the seat of a directory by one event. A handshake that leaves the
// seat or finds no place there is closed, unless the caller is to finish it.
func (c *conn) step(key string, e event, brought held) (action, held) {
	do, left := transitions[phaseBarred][e].do, held{}
	if c != nil {
		c.mu.Lock()
		do, left = c.seat(key).apply(e, brought)
		c.mu.Unlock()
	}
	if e == eventIssued && do != doKeep {
		brought.handshake.close()
	}
	if do != doFinish {
		left.handshake.close()
	}
	return do, left
}

// expired reports whether the last exchange for a directory ended at its
// deadline.
func (c *conn) expired(key string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seat(key).expired
}

// share notes that a proxy was seen: whoever logs in on this connection may not
// be who sends its next request. It stays so for as long as the connection
// lives.
func (c *conn) share() {
	if c != nil && !c.shared.Swap(true) {
		c.bar()
	}
}

// first reports once that a request is the first on the connection.
func (c *conn) first() bool { return c != nil && !c.met.Load() && !c.met.Swap(true) }

// isShared reports whether a proxy was ever seen on the connection.
func (c *conn) isShared() bool { return c != nil && c.shared.Load() }

// end makes a closed or hijacked connection forget everything.
func (c *conn) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.gone, c.memory = true, nil
	c.mu.Unlock()
	c.bar()
}

// bar empties all seats for good. One of the flags stands already, so that no
// new seat escapes.
func (c *conn) bar() {
	var left []*handshake
	c.mu.Lock()
	for i := range c.seats {
		if _, out := c.seats[i].apply(eventBar, held{}); out.handshake != nil {
			left = append(left, out.handshake)
		}
	}
	c.mu.Unlock()
	for _, h := range left {
		h.close()
	}
}

// seat is the seat of a directory. The caller holds the lock.
func (c *conn) seat(key string) *seat {
	for i := range c.seats {
		if c.seats[i].key == key {
			return &c.seats[i]
		}
	}
	s := seat{key: key}
	if c.gone || c.shared.Load() {
		s.phase = phaseBarred
	}
	c.seats = append(c.seats, s)
	return &c.seats[len(c.seats)-1]
}

// connOf is the connection of a request, nil where there is none: HTTP/3.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// localPort names the listener of a request.
func localPort(ctx context.Context) string {
	local, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return ""
	}
	_, port, err := net.SplitHostPort(local.String())
	if err != nil {
		return local.String()
	}
	return port
}
