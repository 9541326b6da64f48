package caddyntlm

import (
	"context"
	"net/http"
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
