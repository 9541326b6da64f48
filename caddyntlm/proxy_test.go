package caddyntlm

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

//
func TestProxy(t *testing.T) {
	headers := []string{"Via: 1.1 squid", "Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Real-IP: 1.2.3.4"}
	d := newDoor(t, nil)
	for _, header := range headers {
		t.Run(header, func(t *testing.T) {
			c := d.dial(t)
			c.login("alice", "secret-a").wantUser(t, "alice")
			c.get(header).want(t, 401, basicChallenge)
			c.get(header, type1()).want(t, 401, basicChallenge)
			d.wantReason(t, identity.KindProxySeen)
			c.get(header, basic("bob", "secret-b")).wantUser(t, "bob")
			// Once shared, always shared.
			c.get().want(t, 401, basicChallenge)
			c.get(type1()).want(t, 401, basicChallenge)
		})
	}
	if got := d.logs.FilterMessage("proxy seen, NTLM persistence off").Len(); got != 1 {
		t.Errorf("got %d warnings, want one a minute", got)
	}
	if got := d.dir.challenges; int(got) != len(headers) {
		t.Errorf("got %d challenges, want %d", got, len(headers))
	}
}

// a proxy that appears in mid-handshake.
func TestProxyInMidHandshake(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	first := c.get(type1())
	c.get("Via: 1.1 squid", type3(first.challenge(), "alice", "secret-a")).want(t, 401, basicChallenge)
	d.dir.checkClosed(t)
	c.get().want(t, 401, basicChallenge)
}

func TestTrustedProxyWithoutHeaders(t *testing.T) {
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if throughProxy(r) {
		t.Error("got a proxy where there is none")
	}
	vars := map[string]any{caddyhttp.TrustedProxyVarKey: true}
	if !throughProxy(r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))) {
		t.Error("got no proxy, want the trusted one seen")
	}
}

// a proxy that keeps one connection a client is no barrier, where the
// configuration names it, and by its own address only.
func TestOneToOne(t *testing.T) {
	shown := []string{"Via: 1.1 squid", "X-Forwarded-For: 192.0.2.1"}
	with := func(more ...string) []string { return append(more, shown...) }
	t.Run("named", func(t *testing.T) {
		d := newDoor(t, func(d *door) { d.OneToOne = []string{"192.0.2.0/24", "127.0.0.1"} })
		c := d.dial(t)
		c.get(with()...).want(t, 401, both...)
		first := c.get(with(type1())...)
		c.get(with(type3(first.challenge(), "alice", "secret-a"))...).wantUser(t, "alice")
		c.get(with()...).wantUser(t, "alice")
		d.dial(t).get(with()...).want(t, 401, both...) // connections stay apart
	})
	t.Run("not named", func(t *testing.T) {
		d := newDoor(t, func(d *door) { d.OneToOne = []string{"192.0.2.0/24"} })
		c := d.dial(t)
		c.login("alice", "secret-a").wantUser(t, "alice")
		c.get(with()...).want(t, 401, basicChallenge) // 192.0.2.1 in a header is not the peer
		d.wantReason(t, identity.KindNoCredentials)
		c.get(with(type1())...).want(t, 401, basicChallenge)
		d.wantReason(t, identity.KindProxySeen)
	})
	t.Run("another proxy before it", func(t *testing.T) {
		for _, header := range []string{"Via: 1.1 pool, 1.1 squid", "X-Forwarded-For: 192.0.2.1, 192.0.2.2", "Forwarded: for=192.0.2.1;by=192.0.2.2, for=192.0.2.2"} {
			d := newDoor(t, func(d *door) { d.OneToOne = []string{"127.0.0.1"} })
			c := d.dial(t)
			c.get(header).want(t, 401, basicChallenge)
			c.get(header, type1()).want(t, 401, basicChallenge)
			d.wantReason(t, identity.KindProxySeen)
			c.get(type1()).want(t, 401, basicChallenge) // once shared, always shared
		}
		d := newDoor(t, func(d *door) { d.OneToOne = []string{"127.0.0.1"} })
		d.dial(t).get("Via: 1.1 pool", "Via: 1.1 squid", type1()).want(t, 401, basicChallenge)
	})
	t.Run("by X-Real-IP", func(t *testing.T) {
		for _, c := range []struct {
			headers []string
			one     bool // no proxy but the one that is named
		}{
			{[]string{"X-Real-IP: 192.0.2.1"}, true},
			{[]string{"X-Real-IP: 192.0.2.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"}, true}, // nginx, of one client
			{[]string{"X-Real-IP: 2001:DB8::1", "X-Forwarded-For: 2001:db8:0::1"}, true},
			{[]string{"X-Real-IP: 192.0.2.1", "X-Real-IP: 192.0.2.2"}, false},
			{[]string{"X-Real-IP: 192.0.2.1, 192.0.2.2"}, false},
			{[]string{"X-Real-IP: 192.0.2.1", "Via: 1.1 squid"}, false}, // nginx, behind it Squid
			{[]string{"X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.2"}, false},
			{[]string{"X-Real-IP: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"}, false},
			{[]string{"X-Real-IP: ", "X-Forwarded-For: "}, false},
		} {
			d := newDoor(t, func(d *door) { d.OneToOne = []string{"127.0.0.1"} })
			answer := d.dial(t).get(append(c.headers, type1())...)
			if answer.StatusCode != 401 || (answer.challenge() != nil) != c.one {
				t.Errorf("%q: got %d %q, want NTLM to go on %v", c.headers, answer.StatusCode, answer.Header["Www-Authenticate"], c.one)
			}
		}
	})
}

// one_to_one holds against Caddy's own trusted_proxies too.
func TestOneToOneInCaddy(t *testing.T) {
	const trusted = `"trusted_proxies": {"source": "static", "ranges": ["127.0.0.1/32"]},`
	d := loadDoor(t, trusted, `"one_to_one": ["127.0.0.0/8"]`)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get("X-Forwarded-For: 192.0.2.1").wantUser(t, "alice")
	d = loadDoor(t, trusted, `"one_to_one": ["192.0.2.1"]`)
	d.dial(t).get("X-Forwarded-For: 192.0.2.1", type1()).want(t, 401, basicChallenge)
}

func TestParseOneToOne(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "192.0.2.9/24": "192.0.2.0/24", "2001:db8::1": "2001:db8::1/128", "2001:db8::/32": "2001:db8::/32",
		"0.0.0.0/0": "every peer", "::/0": "every peer", "squid.example.com": "neither an address", "192.0.2.1/33": "neither an address",
		"": "neither an address", "::ffff:192.0.2.1": "as IPv4", "private_ranges": "neither an address",
	} {
		got, err := ParseOneToOne(text)
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", text, got, err, want)
		}
	}
	h := &Handler{OneToOne: []string{"nobody"}}
	if err := h.settle([]directory{newFakeDirectory("EXAMPLE")}); err == nil {
		t.Error("got no error")
	}
}
