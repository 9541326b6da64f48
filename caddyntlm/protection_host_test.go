package caddyntlm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// TestProtectionOfAnotherSite: whoever has the key of one site of this server lures a
// client to a server of his with that certificate, and passes its log-in on, asking for
// his own name in TLS and for the other site in Host. A certificate that is not of the
// site asked for must not count there.
func TestProtectionOfAnotherSite(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tenant := shownCertificate(t, key) // of web.example.com
	d := prepareDoor(t, func(d *door) {
		d.ExtendedProtection = protectionRequire
		d.Handler.server = &caddyhttp.Server{TLSConnPolicies: caddytls.ConnectionPolicies{{TLSConfig: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return tenant, nil },
		}}}}
	})
	b := bindingOf(t, tenant)
	for host, ok := range map[string]bool{"web.example.com": true, "WEB.example.com.": true, "web.example.com:8443": true, "hr.example.com": false} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.TLS = host, &tls.ConnectionState{ServerName: "web.example.com"}
		err := (&visit{door: d.Handler, r: r}).channel().Check(identity.Meant{Binding: &b})
		if (err == nil) != ok {
			t.Errorf("%s: got %v, want accepted %v", host, err, ok)
		}
	}
}

// TestProtectionOfAnotherSiteIsCarried: nor does it count there once somebody is let in by
// it on the connection, or has begun a handshake.
func TestProtectionOfAnotherSiteIsCarried(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tenant := shownCertificate(t, key) // of web.example.com
	b := bindingOf(t, tenant)
	d := prepareDoor(t, func(d *door) {
		d.ExtendedProtection, d.dir.meant = protectionRequire, identity.Meant{Binding: &b}
		d.Handler.server = &caddyhttp.Server{TLSConnPolicies: caddytls.ConnectionPolicies{{TLSConfig: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return tenant, nil },
		}}}}
	})
	inner := d.handler()
	d.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{ServerName: "web.example.com"} // as if it had come over TLS
		inner.ServeHTTP(w, r)
	}))
	for host, want := range map[string]int{"WEB.example.com:8443": 200, "hr.example.com": 401, "": 401, "192.0.2.1": 401} {
		c := d.dial(t)
		c.host = "web.example.com"
		c.login("alice", "secret-a").wantUser(t, "alice")
		c.host = host
		if got := c.get(); got.StatusCode != want {
			t.Errorf("%q after a log-in: got %d, want %d", host, got.StatusCode, want)
		}
		c = d.dial(t)
		c.host = "web.example.com"
		third := type3(c.get(type1()).challenge(), "alice", "secret-a")
		c.host = host
		if got := c.get(third); got.StatusCode != want {
			t.Errorf("%q in a handshake: got %d, want %d", host, got.StatusCode, want)
		}
	}
}
