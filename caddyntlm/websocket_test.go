package caddyntlm

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echoes is an application that upgrades and then repeats each line behind the
// user's name. Where the path says so it refuses.
type echoes struct {
	*httptest.Server
	reached atomic.Int64
	over    chan struct{} // one for each connection that ended
}

func newEchoes(t *testing.T) *echoes {
	e := &echoes{over: make(chan struct{}, 8)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.reached.Add(1)
		if r.URL.Path == "/no" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = nc.Close(); e.over <- struct{}{} }()
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		for lines := bufio.NewScanner(rw); lines.Scan(); {
			_, _ = fmt.Fprintf(nc, "%s: %s\n", r.Header.Get("X-User"), lines.Text())
		}
	}))
	t.Cleanup(e.Close)
	return e
}

var upgrade = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}

// waitForTunnels returns when Caddy copies nothing any more. To stop Caddy before
// that is a data race within Caddy.
func waitForTunnels(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(5 * time.Second); strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "reverseproxy.(*Handler).handleUpgradeResponse"); {
		if time.Now().After(end) {
			t.Fatal("a tunnel stayed open")
		}
		time.Sleep(time.Millisecond)
	}
}

// an upgrade is a request like any other. What comes after it is the
// application's: the door neither reads it nor remembers the connection.
func TestWebSocketThroughReverseProxy(t *testing.T) {
	app := newEchoes(t)
	d := loadRoutes(t, "", fmt.Sprintf(`{"handle": [
		{"handler": "test_door", "insecure_basic": true, "require": {"user": ["alice"]}},
		{"handler": "reverse_proxy", "upstreams": [{"dial": %q}],
			"headers": {"request": {"set": {"X-User": ["{http.auth.user.id}"]}}}}]}`, app.Listener.Addr()))
	c := d.dial(t)
	c.get(upgrade...).want(t, 401, both...)
	c.login("bob", "secret-b").want(t, 403)
	c.get(upgrade...).want(t, 403)
	if got := app.reached.Load(); got != 0 {
		t.Fatalf("got %d requests at the application, want 0", got)
	}

	first := c.get(type1())
	c.send("GET", "/no", "", append([]string{type3(first.challenge(), "alice", "secret-a")}, upgrade...)...)
	c.receive("GET").want(t, 403) // by the application, and the connection goes on
	c.send("GET", "/", "", upgrade...)
	response, err := http.ReadResponse(c.read, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v, want 101", response, err)
	}
	for _, line := range []string{"hello", "GET / HTTP/1.1", basic("bob", "secret-b")} {
		c.write(line + "\n")
		if got, err := c.read.ReadString('\n'); got != "alice: "+line+"\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if got := d.remembered(); got != 0 {
		t.Errorf("got %d connections remembered, want 0", got)
	}
	_ = c.nc.Close()
	select {
	case <-app.over:
	case <-time.After(5 * time.Second):
		t.Error("the application's end stayed open")
	}
	waitForTunnels(t)
	d.dial(t).get().want(t, 401, both...)
	if lines := d.logs.FilterMessage(decision).All(); strings.Contains(fmt.Sprint(lines[len(lines)-2].ContextMap()), "bob") {
		t.Error("the door read what followed the upgrade")
	}
}
