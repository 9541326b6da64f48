package caddyntlm

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// blank is a response writer that costs nothing.
type blank struct{ header http.Header }

func (b blank) Header() http.Header       { return b.header }
func (blank) Write(p []byte) (int, error) { return len(p), nil }
func (blank) WriteHeader(int)             {}

func bareHandler(http.ResponseWriter, *http.Request) error { return nil }

// knownRequest is a request with the headers of a browser on a connection where
// alice is logged in, and its door.
func knownRequest(tb testing.TB) (*Handler, *http.Request) {
	tb.Helper()
	dir := newFakeDirectory("EXAMPLE")
	h := &Handler{Require: &policy.Rule{Group: []string{"Other", "HR"}}}
	h.log, h.now = zap.NewNop(), dir.at
	if err := h.settle([]directory{dir}); err != nil {
		tb.Fatal(err)
	}
	nc, other := net.Pipe()
	tb.Cleanup(func() { _, _ = nc.Close(), other.Close() })
	ctx := h.conns.connContext(context.Background(), nc)
	c := connOf(ctx)
	c.step(dir.Key(), eventNegotiate, held{})
	c.step(dir.Key(), eventAccepted, held{id: dir.account("alice"), scheme: schemeNTLM, said: &said{demand: h.demand}})
	r, err := http.NewRequestWithContext(ctx, "GET", "http://site.example.com/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:1234"
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Cookie", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "User-Agent"} {
		r.Header.Set(name, "something of some length")
	}
	return h, r
}

// prepared repeats what Caddy's server does before each request.
func prepared(r *http.Request) *http.Request {
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil)
}

func BenchmarkKnownConnection(b *testing.B) {
	h, r := knownRequest(b)
	next := caddyhttp.HandlerFunc(bareHandler)
	w := blank{http.Header{}}
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := next.ServeHTTP(w, prepared(r)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("door", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := h.ServeHTTP(w, prepared(r), next); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A request on an authenticated connection costs three allocations at most.
func TestKnownConnectionAllocations(t *testing.T) {
	h, r := knownRequest(t)
	next := caddyhttp.HandlerFunc(bareHandler)
	w := blank{http.Header{}}
	bare := testing.AllocsPerRun(200, func() { _ = next.ServeHTTP(w, prepared(r)) })
	door := testing.AllocsPerRun(200, func() {
		if err := h.ServeHTTP(w, prepared(r), next); err != nil {
			t.Fatal(err)
		}
	})
	if door-bare > 3 {
		t.Errorf("got %v allocations over the bare %v, want 3 at most", door-bare, bare)
	}
}

// stillConn is a connection on which nothing happens.
type stillConn struct{ net.Conn }

// E-08. With the 760 bytes of an identity of two groups (TestIdentityIsSmall)
// a connection takes 1 KiB at most.
func TestMemoryOfIdleConnections(t *testing.T) {
	const connections = 20_000
	table := newConns()
	id, same := new(identity.Identity), new(said)
	held20k := make([]context.Context, connections)
	ncs := make([]net.Conn, connections)
	for i := range ncs {
		ncs[i] = &stillConn{}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i, nc := range ncs {
		held20k[i] = table.connContext(context.Background(), nc)
		c := connOf(held20k[i])
		c.step("EXAMPLE#0123456789abcdef", eventNegotiate, held{})
		c.step("EXAMPLE#0123456789abcdef", eventAccepted, held{id: id, said: same})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / connections
	if each > 1024-760 {
		t.Errorf("got %d bytes a connection, want %d at most", each, 1024-760)
	}
	t.Logf("%d bytes a connection", each)
	for _, nc := range ncs {
		table.connState(nc, http.StateClosed)
	}
	if len(table.open) != 0 {
		t.Errorf("got %d connections left", len(table.open))
	}
	runtime.KeepAlive(held20k)
}
