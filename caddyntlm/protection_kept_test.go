package caddyntlm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// fallsBack is a door that requires a binding on a server that shows one certificate, of
// web.example.com, under every name.
func fallsBack(t *testing.T) (*Handler, [16]byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tenant := shownCertificate(t, key)
	d := prepareDoor(t, func(d *door) {
		d.ExtendedProtection = protectionRequire
		d.Handler.server = &caddyhttp.Server{TLSConnPolicies: caddytls.ConnectionPolicies{{TLSConfig: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return tenant, nil },
		}}}}
	})
	return d.Handler, bindingOf(t, tenant)
}

// TestProtectionOfALookalike: a name in TLS that only looks like the site's, and for which
// the certificate of another is shown, is another name.
func TestProtectionOfALookalike(t *testing.T) {
	h, b := fallsBack(t)
	for name, c := range map[string]struct{ sni, host string }{
		"a long s in TLS":    {"\u017fite.example.com", "site.example.com"},
		"a Kelvin in TLS":    {"\u212aiosk.example.com", "kiosk.example.com"},
		"brackets around it": {"[site.example.com]", "[site.example.com]"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.TLS = c.host, &tls.ConnectionState{ServerName: c.sni}
		if err := (&visit{door: h, r: r}).channel().Check(identity.Meant{Binding: &b}); identity.KindOf(err) != identity.KindProtection {
			t.Errorf("%s: got %v, want %v", name, err, identity.KindProtection)
		}
	}
}

// TestHandshakeKeepsNoRequest: what a handshake is held to, which waits with it, does not
// keep the request that began it: a client chooses how long its header is.
func TestHandshakeKeepsNoRequest(t *testing.T) {
	h, b := fallsBack(t)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.TLS = "web.example.com", &tls.ConnectionState{ServerName: "web.example.com"}
	r.Header.Set("X-Long", strings.Repeat("x", 1<<20))
	kept := weak.Make(r)
	c := (&visit{door: h, r: r}).channel()
	r = nil
	runtime.GC()
	runtime.GC()
	if kept.Value() != nil {
		t.Error("the request is still there")
	}
	if got := c.Again(); len(got) != 1 || got[0] != b {
		t.Errorf("got %x, want %x", got, b)
	}
}
