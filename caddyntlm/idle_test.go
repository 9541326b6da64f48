package caddyntlm

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// pipes is a listener whose connections are in memory: 20,000 real ones with
// both their ends are more than most systems let a process open.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.accepted:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }
func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

// inUse is what the heap and the stacks take.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only shrinks stacks and marks what pools hold
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// oneIdentity is a directory that gives the same identity to everybody, so that
// what connections take can be told from what identities take.
type oneIdentity struct {
	*fakeDirectory
	id *identity.Identity
}

func (d oneIdentity) Resolve(context.Context, *identity.Principal) (*identity.Identity, error) {
	return d.id, nil
}

// BenchmarkIdleConnections measures what an idle connection takes, both its
// ends, on which somebody has asked for a page: without the door; with it, all
// connections being one user's; and with an identity of two groups for each.
func BenchmarkIdleConnections(b *testing.B) {
	for _, connections := range []int{2_000, 20_000} {
		b.Run(fmt.Sprint(connections), func(b *testing.B) {
			// Not counted: it leaves descriptors and free stacks of goroutines
			// behind, which the first of those counted would profit from alone.
			idle(b, connections, newFakeDirectory("EXAMPLE"))
			var plain, shared, own int64
			turns := 20_000 / connections // stacks are counted by the span: one turn of few is coarse
			for b.Loop() {
				for range turns {
					dir := newFakeDirectory("EXAMPLE")
					plain += idle(b, connections, nil)
					shared += idle(b, connections, oneIdentity{dir, dir.account("alice")})
					own += idle(b, connections, dir)
				}
			}
			each := float64(b.N * turns * connections)
			b.ReportMetric(float64(plain)/each, "plain-B")
			b.ReportMetric(float64(shared-plain)/each, "added-B")
			b.ReportMetric(float64(own-plain)/each, "own-added-B")
		})
	}
}

// idle opens connections, logs alice in on each where there is a
// directory, and gives back the memory that they hold together.
func idle(b *testing.B, connections int, dir directory) int64 {
	b.Helper()
	var h *Handler
	if dir != nil {
		h = &Handler{log: zap.NewNop(), now: time.Now}
		if err := h.settle([]directory{dir}); err != nil {
			b.Fatal(err)
		}
	}
	page := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, "alice:")
		return err
	})
	server := &http.Server{ErrorLog: quiet(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		if h == nil {
			_ = page.ServeHTTP(w, r)
			return
		}
		_ = h.ServeHTTP(w, r, page)
	})}
	if h != nil {
		server.ConnContext, server.ConnState = h.conns.connContext, h.conns.connState
	}
	listener := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	goroutines := runtime.NumGoroutine()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	ends := make([]net.Conn, 0, connections)
	before := inUse()
	reader := bufio.NewReader(nil)
	for range connections {
		near, far := net.Pipe()
		listener.accepted <- far
		ends = append(ends, near)
		reader.Reset(near)
		c := &client{t: b, nc: near, read: reader, host: "site.example.com"}
		if h == nil {
			c.get()
			c.get().wantUser(b, "alice")
			continue
		}
		c.login("alice", "secret-a").wantUser(b, "alice")
	}
	held := inUse() - before
	for _, nc := range ends {
		_ = nc.Close()
	}
	_ = server.Close()
	<-done
	for runtime.NumGoroutine() > goroutines { // or they would be missing from the next measurement's beginning
		time.Sleep(time.Millisecond)
	}
	return held
}
