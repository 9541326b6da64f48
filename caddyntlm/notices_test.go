package caddyntlm

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// wantNotices checks how many lines a warning has made, and that the newest has
// these fields and tells the administrator what to do.
func (d *door) wantNotices(t *testing.T, message string, level zapcore.Level, n int, fields map[string]any) {
	t.Helper()
	lines := d.logs.FilterMessage(message).All()
	if len(lines) != n {
		t.Fatalf("got %d lines %q, want %d", len(lines), message, n)
	}
	last := lines[n-1]
	if hint, _ := last.ContextMap()["hint"].(string); last.Level != level || hint == "" {
		t.Errorf("got level %v, hint %q, want %v and a hint", last.Level, hint, level)
	}
	for key, want := range fields {
		if got := last.ContextMap()[key]; got != want {
			t.Errorf("got %s = %v, want %v", key, got, want)
		}
	}
}

func newTickingDoor(t *testing.T) (*door, *clock) {
	t.Helper()
	c := new(clock)
	return newDoor(t, func(d *door) { d.now, d.dir.at = c.now, c.now }), c
}

// a proxy is told of once a minute, with how often it was seen meanwhile,
// and not once for ever.
func TestProxyWarnsOnceAMinute(t *testing.T) {
	const message = "proxy seen, NTLM persistence off"
	d, clock := newTickingDoor(t)
	c := d.dial(t)
	for range 4 {
		c.get("Via: 1.1 squid").want(t, 401, basicChallenge)
	}
	d.wantNotices(t, message, zapcore.WarnLevel, 1, map[string]any{"reason": "proxy_seen", "skipped": int64(0)})
	clock.advance(59 * time.Second)
	d.dial(t).get("X-Real-IP: 192.0.2.1")
	d.wantNotices(t, message, zapcore.WarnLevel, 1, nil)
	clock.advance(time.Second)
	d.dial(t).get("Forwarded: for=192.0.2.1")
	d.wantNotices(t, message, zapcore.WarnLevel, 2, map[string]any{"reason": "proxy_seen", "skipped": int64(4)})
}

// a client that closes its connections is a line for those who debug, and
// once a minute one for the administrator.
func TestClosingConnectionIsToldOnce(t *testing.T) {
	const message = "NTLM needs a connection that stays open"
	d, clock := newTickingDoor(t)
	d.dial(t).get("Connection: close").want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindNoCredentials)
	if got := d.logs.FilterMessage(message).Len(); got != 0 {
		t.Errorf("got %d lines, want none: nobody tried NTLM", got)
	}
	for range 3 {
		d.dial(t).get("Connection: close", type1()).want(t, 401, basicChallenge)
		d.wantReason(t, identity.KindNotPersistent)
		if level, _ := d.last(t); level != zapcore.DebugLevel {
			t.Errorf("got a line at %v, want DEBUG", level)
		}
	}
	d.wantNotices(t, message, zapcore.InfoLevel, 1, map[string]any{"reason": "not_persistent", "skipped": int64(0)})
	clock.advance(time.Minute)
	d.dial(t).get("Connection: close", type1())
	d.wantNotices(t, message, zapcore.InfoLevel, 2, map[string]any{"skipped": int64(2)})
	if got := d.dir.challenges; got != 0 {
		t.Errorf("got %d challenges issued, want 0", got)
	}
}

// each listener warns once, however often and by whomever HTTP/2 is tried.
func TestHTTP2WarnsOnceAListener(t *testing.T) {
	d := loadDoor(t, `"protocols": ["h1", "h2c"],`, `"realm": "site.example.com"`)
	ask := h2c(t, d)
	for range 3 {
		ask(type1()).want(t, 401, both...)
	}
	const message = "NTLM needs HTTP/1.1"
	if lines := d.logs.FilterMessage(message).All(); len(lines) != 1 || lines[0].Level != zapcore.WarnLevel || lines[0].ContextMap()["hint"] != hintHTTP2 {
		t.Fatalf("got %v, want one warning with its cure", lines)
	}
	// Another listener, another warning: the port is what tells them apart.
	other := context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8443})
	for range 2 {
		d.noticeHTTP2(&visit{r: httptest.NewRequestWithContext(other, "GET", "/", nil)})
	}
	if got := d.logs.FilterMessage(message).FilterField(zap.String("listener", "8443")).Len(); got != 1 {
		t.Errorf("got %d warnings for the second listener, want 1", got)
	}
	if got := d.logs.FilterMessage(message).Len(); got != 2 {
		t.Errorf("got %d warnings, want 2", got)
	}
}
