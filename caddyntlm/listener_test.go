package caddyntlm

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// listener is two sites of one server, each with a directory of its own, which
// share what a connection remembers as the handlers of a Caddy server do.
type listener struct {
	sites    [2]*door
	handlers [2]http.Handler
	server   *httptest.Server // nil where requests are handed over in the process
}

// hosts are the names of the sites.
var hosts = [2]string{"site.example.com", "other.example.com"}

// newListener makes the sites. They log nothing: their tests send millions of
// requests.
func newListener(t *testing.T) *listener {
	t.Helper()
	l := new(listener)
	for i := range l.sites {
		d := prepareDoor(t, func(d *door) { d.log = zap.NewNop() })
		d.dir.name, d.scope.First = strings.ToUpper(hosts[i]), strings.ToUpper(hosts[i])
		l.sites[i], l.handlers[i] = d, d.handler()
	}
	// The same people with other passwords, and no challenge that is the other's.
	l.sites[1].dir.passwords = map[string]string{"alice": "other-a", "bob": "other-b"}
	l.sites[1].dir.challenges = 1 << 32
	t.Cleanup(func() {
		l.reload()
		for _, d := range l.sites {
			d.dir.checkClosed(t)
			if taken := d.pending.taken.Load(); taken != 0 {
				t.Errorf("got %d handshakes still counted, want 0", taken)
			}
		}
	})
	return l
}

// serve puts the sites behind net/http.
func (l *listener) serve(t *testing.T) {
	l.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == hosts[1] {
			l.handlers[1].ServeHTTP(w, r)
			return
		}
		l.handlers[0].ServeHTTP(w, r)
	}))
	l.server.Config.ConnContext, l.server.Config.ConnState = l.connContext, l.connState
	l.server.Start()
	t.Cleanup(func() {
		l.server.CloseClientConnections()
		l.server.Close()
	})
}

func (l *listener) connContext(ctx context.Context, nc net.Conn) context.Context {
	for _, d := range l.sites {
		ctx = d.conns.connContext(ctx, nc)
	}
	return ctx
}

func (l *listener) connState(nc net.Conn, state http.ConnState) {
	for _, d := range l.sites {
		d.conns.connState(nc, state)
	}
}

// reload ends what the sites remember, as a configuration that goes.
func (l *listener) reload() {
	for _, d := range l.sites {
		d.conns.endAll()
	}
}

// waiting is how many exchanges a site's directory holds open.
func (d *door) waiting() int {
	d.dir.mu.Lock()
	defer d.dir.mu.Unlock()
	return len(d.dir.open)
}

// fail makes a site's directory fail as a dead controller, or no longer.
func (d *door) fail(down bool) {
	d.dir.start, d.dir.finish, d.dir.verify = nil, nil, nil
	if down {
		dead := func(context.Context) error { return identity.Fail(identity.KindUnavailable, nil) }
		d.dir.start, d.dir.finish, d.dir.verify = dead, dead, dead
	}
}

// peer is a client's connection.
type peer interface {
	ask(site int, headers ...string) answer
	hangUp()
}

// wire is a peer over TCP and net/http.
type wire struct{ *client }

func (w wire) ask(site int, headers ...string) answer {
	w.host = hosts[site]
	return w.get(headers...)
}

func (w wire) hangUp() { _ = w.nc.Close() }

// direct is a peer that hands its requests to the door, with all that net/http
// would tell the door and none of the sockets.
type direct struct {
	*listener
	nc    net.Conn
	ctx   context.Context
	http2 bool
}

// nowhere is a connection that is nothing but itself.
type nowhere struct {
	net.Conn
	_ byte // so that no two have one address in memory
}

func (l *listener) connect(http2 bool) *direct {
	nc := new(nowhere)
	return &direct{listener: l, nc: nc, ctx: l.connContext(context.Background(), nc), http2: http2}
}

func (p *direct) ask(site int, headers ...string) answer {
	r, err := http.NewRequestWithContext(p.ctx, "GET", "http://"+hosts[site]+"/", http.NoBody)
	if err != nil {
		panic(err)
	}
	if p.http2 {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	p.handlers[site].ServeHTTP(w, r)
	response := w.Result()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		panic(err)
	}
	if response.Header.Get("Connection") == "close" {
		p.hangUp()
	}
	return answer{response, string(text)}
}

func (p *direct) hangUp() { p.connState(p.nc, http.StateClosed) }

// late lets the deadline of the exchange pass that waits for a site, if one
// does.
func (p *direct) late(site int) {
	key := p.sites[site].dir.Key()
	c := connOf(p.ctx)
	c.mu.Lock()
	waits := c.seat(key).held.handshake
	c.mu.Unlock()
	if waits != nil {
		c.step(key, eventDeadline, held{handshake: waits})
	}
}
