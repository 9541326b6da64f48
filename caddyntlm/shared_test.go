package caddyntlm

import (
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// Two sites in the short form, of which one counts direct groups alone, share no
// identity, on one connection either.
func TestGroupWordOfAnotherSite(t *testing.T) {
	s, err := demodir.Start(demodir.Demo())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	site := func(host, group, rule string) string {
		return fmt.Sprintf(`{"match": [{"host": [%q]}], "handle": [{"handler": "windows_auth", "insecure_basic": true,
			"directory": {"server": [{"url": %q}], "tls": {"insecure_skip_verify": true},
			"service_account": {"name": "EXAMPLE\\svc-web", "secret": "Secr3t-svc-web"} %s} %s},
			{"handler": "static_response", "body": "in"}]}`, host, s.LDAPS(), group, rule)
	}
	config := fmt.Sprintf(`{"admin": {"disabled": true, "config": {"persist": false}}, "storage": {"module": "file_system", "root": %q},
		"logging": {"logs": {"default": {"level": "PANIC"}}},
		"apps": {"tls": {"disable_storage_check": true, "disable_storage_clean": true}, "http": {"servers": {"s": {"listen": [%q], "automatic_https": {"disable": true}, "routes": [%s, %s]}}}}}`, t.TempDir(), address,
		site("strict.example.com", `, "group": {"nested": false}`, `, "require": {"group": ["HR"]}`), site("open.example.com", "", ""))
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	as := func(c *client, host string) int {
		c.host = host
		return c.get(basic("carol", "Secr3t-carol")).StatusCode
	}
	c := dialAddress(t, address)
	if got := as(c, "strict.example.com"); got != 403 {
		t.Fatalf("alone: got %d, want 403", got)
	}
	c = dialAddress(t, address)
	if got := as(c, "open.example.com"); got != 200 {
		t.Fatalf("open: got %d, want 200", got)
	}
	if got := as(c, "strict.example.com"); got != 403 {
		t.Errorf("after the other site on the same connection: got %d, want 403", got)
	}
}

// Whoever keeps his own quota full must not go on with an old identity: the
// controllers do answer.
func TestQuotaExcusesNoOldIdentity(t *testing.T) {
	d, clock := newClockDoor(t, policy.Rule{Group: []string{"HR"}})
	c := d.dial(t)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	d.dir.groups["alice"] = nil
	clock.advance(time.Second)
	d.dir.purged = clock.now()
	for { // his other connections, all being asked about
		if _, err := d.asking.enter(netip.MustParsePrefix("127.0.0.1/32"), true); err != nil {
			break
		}
	}
	clock.advance(14 * time.Minute)
	if got := c.get(basic("alice", "secret-a")); got.StatusCode == 200 {
		t.Errorf("purged 14 minutes ago, and let in as %s", got.text)
	}
}

// A connection that a proxy was seen on is a proxy's for good.
func TestBypassOnSharedConnection(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	v := &visit{r: r, conn: new(conn)}
	v.conn.shared.Store(true)
	if !seesPeer.isBlurred(v) && v.conn.isShared() {
		t.Error("a proxy showed itself on the connection, and a request that does not is bypassed by the proxy's address")
	}
}
