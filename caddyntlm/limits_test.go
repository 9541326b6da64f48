package caddyntlm

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestConfiguredLimits(t *testing.T) {
	tests := []struct {
		name    string
		handler Handler
		want    limits
		err     string
	}{
		{"default", Handler{}, limits{handshake: 10 * time.Second, body: 8 << 20, pending: 512, share: 32}, ""},
		{"all", Handler{HandshakeTimeout: caddy.Duration(time.Second), MaxBody: 1, MaxPending: &MaxPending{Total: 9, PerAddress: 3}},
			limits{handshake: time.Second, body: 1, pending: 9, share: 3}, ""},
		{"small total", Handler{MaxPending: &MaxPending{Total: 9}}, limits{handshake: 10 * time.Second, body: 8 << 20, pending: 9, share: 9}, ""},
		{"one address", Handler{MaxPending: &MaxPending{PerAddress: 64}}, limits{handshake: 10 * time.Second, body: 8 << 20, pending: 512, share: 64}, ""},
		{"negative time", Handler{HandshakeTimeout: -1}, limits{}, "handshake_timeout"},
		{"negative size", Handler{MaxBody: -1}, limits{}, "max_body"},
		{"negative total", Handler{MaxPending: &MaxPending{Total: -1}}, limits{}, "max_pending"},
		{"negative share", Handler{MaxPending: &MaxPending{PerAddress: -1}}, limits{}, "max_pending"},
		{"share over total", Handler{MaxPending: &MaxPending{Total: 5, PerAddress: 6}}, limits{}, "6 for one address is more than the 5 in all"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &tt.handler
			err := h.settle([]directory{newFakeDirectory("EXAMPLE")})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := limits{handshake: h.limits.handshake, body: h.limits.body, pending: h.limits.pending, share: h.limits.share}
			if got != tt.want || h.pending.limit != tt.want.pending || h.pending.perAddress != tt.want.share {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestClientNetwork(t *testing.T) {
	tests := []struct{ remote, want string }{
		{"192.0.2.7:1234", "192.0.2.7/32"},
		{"[::ffff:192.0.2.7]:1234", "192.0.2.7/32"},
		{"[2001:db8:1:2:3:4:5:6]:1234", "2001:db8:1:2::/64"},
		{"[2001:db8:1:2:ffff::1]:1234", "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:1234", "fe80::/64"},
		{"@", "invalid Prefix"},
		{"", "invalid Prefix"},
	}
	for _, tt := range tests {
		if got := clientNetwork(&http.Request{RemoteAddr: tt.remote}); got.String() != tt.want {
			t.Errorf("%s: got %v, want %v", tt.remote, got, tt.want)
		}
	}
}

func TestQuota(t *testing.T) {
	one, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	q := newQuota(3, 2)
	enter := func(address netip.Prefix, known, want bool) *place {
		t.Helper()
		p, err := q.enter(address, known)
		if (err == nil) != want || err != nil && identity.KindOf(err) != identity.KindTooManyPending {
			t.Errorf("%v: got %v, want %v", address, err, want)
		}
		return p
	}
	first := enter(one, false, true)
	second := enter(one, false, true)
	enter(one, false, false)
	third := enter(other, false, true)
	enter(other, false, false) // in all
	enter(netip.Prefix{}, false, false)
	known := []*place{enter(one, true, true), enter(one, true, true), enter(other, true, true)}
	enter(one, true, false)
	enter(other, true, false) // in all, for those who are known
	for _, p := range append(known, first, second, third) {
		p.leave()
	}
	if q.taken.Load() != 0 || len(q.addresses) != 0 {
		t.Errorf("got %d places and %v, want none", q.taken.Load(), q.addresses)
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if p, err := q.enter([]netip.Prefix{one, other}[i%2], false); err == nil {
				p.leave()
			}
		})
	}
	wg.Wait()
	if q.taken.Load() != 0 || len(q.addresses) != 0 {
		t.Errorf("got %d places and %v, want none", q.taken.Load(), q.addresses)
	}
}

// B-03: an address that floods is refused, and nobody else is.
func TestFloodFromOneAddress(t *testing.T) {
	d := newDoor(t, func(d *door) { d.MaxPending = &MaxPending{Total: 100, PerAddress: 2} })
	known := d.dial(t)
	known.login("alice", "secret-a").wantUser(t, "alice")
	flood := make([]*client, 2)
	for i := range flood {
		flood[i] = d.dial(t)
		if flood[i].get(type1()).challenge() == nil {
			t.Fatal("got no Type 2")
		}
	}
	before := d.logs.FilterLevelExact(zapcore.WarnLevel).Len()
	for range 5 {
		got := d.dial(t).get(type1())
		got.want(t, 503)
		if got.Header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
	}
	d.wantReason(t, identity.KindTooManyPending)
	if got := d.logs.FilterLevelExact(zapcore.WarnLevel).Len() - before; got != 1 {
		t.Errorf("got %d warnings, want one a minute", got)
	}
	d.notices.pending.next.Store(0)
	d.dial(t).get(type1()).want(t, 503)
	if level, fields := d.last(t); level != zapcore.WarnLevel || fields["skipped"] != int64(4) || fields["hint"] != hintPendingAddress {
		t.Errorf("got %v %v, want a warning that counts the four before it", level, fields)
	}
	known.get().wantUser(t, "alice")
	known.get(basic("bob", "secret-b")).wantUser(t, "bob") // Basic begins no handshake
	known.login("alice", "secret-a").wantUser(t, "alice")  // nor do those who are in lose their place
	elsewhere, err := d.pending.enter(netip.MustParsePrefix("192.0.2.1/32"), false)
	if err != nil {
		t.Fatalf("got %v for another address", err)
	}
	elsewhere.leave()
	flood[0].get(type3(ntlmMessage(2, "challenge-2"), "alice", "secret-a"))
	d.dial(t).login("bob", "secret-b").wantUser(t, "bob")
}

// B-03 and A-04: addresses are those that Caddy believes, and a header of the
// client's makes no new one.
func TestFloodThroughTrustedProxy(t *testing.T) {
	d := loadDoor(t, `"trusted_proxies": {"source": "static", "ranges": ["127.0.0.1/32"]},`,
		`"one_to_one": ["127.0.0.1"], "max_pending": {"total": 10, "per_address": 1}`)
	from := func(address string) string { return "X-Forwarded-For: " + address }
	for _, address := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"} {
		if d.dial(t).get(from(address), type1()).challenge() == nil {
			t.Errorf("%s: got no Type 2", address)
		}
	}
	for _, address := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::2"} {
		d.dial(t).get(from(address), type1()).want(t, 503)
	}

	d = loadDoor(t, "", `"one_to_one": ["127.0.0.1"], "max_pending": {"total": 10, "per_address": 1}`)
	if d.dial(t).get(from("192.0.2.1"), type1()).challenge() == nil {
		t.Error("got no Type 2")
	}
	d.dial(t).get(from("192.0.2.2"), type1()).want(t, 503) // 127.0.0.1 is no trusted proxy
}

// a body that stops is Caddy's to end, and no handshake begins.
func TestSlowBody(t *testing.T) {
	d := loadDoor(t, `"read_idle_timeout": 50000000,`, `"handshake_timeout": "1s"`)
	if d.limits.handshake != time.Second {
		t.Errorf("got %v, want 1s", d.limits.handshake)
	}
	for _, header := range []string{type1() + "\r\n", ""} {
		c := d.dial(t)
		c.write("POST / HTTP/1.1\r\nHost: site.example.com\r\n" + header + "Content-Length: 100\r\n\r\nsome")
		got := c.receive("POST")
		got.want(t, 401, both...)
		if !got.Close {
			t.Error("got the connection kept, and a body on it")
		}
	}
	if got := d.pending.taken.Load(); got != 0 {
		t.Errorf("got %d places taken, want 0", got)
	}
	if lines := d.logs.FilterField(zap.String("reason", identity.KindHandshakeTimeout.String())).Len(); lines != 1 {
		t.Errorf("got %d lines with the reason, want 1", lines)
	}
}

// a Type 3 that drips in keeps no controller waiting, and headers that
// drip end the connection.
func TestSlowHeaders(t *testing.T) {
	d := loadDoor(t, `"read_header_timeout": 400000000,`, `"handshake_timeout": "50ms"`)
	c := d.dial(t)
	if c.get(type1()).challenge() == nil {
		t.Fatal("got no Type 2")
	}
	c.write("GET / HTTP/1.1\r\nHost: site.example.com\r\nAuthorization: NT")
	for end := time.Now().Add(5 * time.Second); d.pending.taken.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the exchange outlived its deadline")
		}
	}
	d.dir.checkClosed(t)
	if line, err := c.read.ReadString('\n'); err == nil && !strings.Contains(line, " 408 ") && !strings.Contains(line, " 400 ") {
		t.Errorf("got %q, want the connection closed", line)
	}
}

// max_body is what the administrator says.
func TestMaxBody(t *testing.T) {
	d := newDoor(t, func(d *door) { d.MaxBody = 10 })
	for _, tt := range []struct {
		size, status int
		closes       bool
	}{{10, 401, false}, {11, 413, true}} {
		c := d.dial(t)
		c.send("POST", "/", strings.Repeat("x", tt.size), type1())
		if got := c.receive("POST"); got.StatusCode != tt.status || got.Close != tt.closes || (got.challenge() == nil) != tt.closes {
			t.Errorf("%d bytes: got %d, close %v, want %d, %v", tt.size, got.StatusCode, got.Close, tt.status, tt.closes)
		}
	}
	if got := d.reason(); got != "body_cap" {
		t.Errorf("got reason %s, want body_cap", got)
	}
	if _, fields := d.last(t); fields["hint"] == nil {
		t.Error("got no hint")
	}
}
