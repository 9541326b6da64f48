package caddyntlm

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

var serial int64

// shownCertificate is a certificate of its own for a key.
func shownCertificate(t *testing.T, key crypto.Signer) *tls.Certificate {
	t.Helper()
	serial++
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"web.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

func bindingOf(t *testing.T, c *tls.Certificate) [16]byte {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return ntlm.EndPointBinding(leaf)
}

// TestEndpoint: the bindings of a connection are those of the certificates that the
// server shows under the client's name, of either kind of key, or at the address
// where the client asks for no name; and of those that it has shown before.
func TestEndpoint(t *testing.T) {
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rivest, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, rs, other, fallback := shownCertificate(t, elliptical), shownCertificate(t, rivest), shownCertificate(t, elliptical), shownCertificate(t, elliptical)
	shows := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch {
		case hello.Conn.RemoteAddr() == nil:
			return nil, fmt.Errorf("no address")
		case hello.ServerName == "" && hello.Conn.LocalAddr().String() == "192.0.2.1:443":
			return fallback, nil
		case hello.ServerName == "other.example.com":
			return other, nil
		case hello.ServerName != "web.example.com":
			return nil, fmt.Errorf("no certificate")
		case hello.SupportsCertificate(ec) == nil:
			return ec, nil
		}
		return rs, nil
	}
	now := time.Now()
	h := &Handler{endpoints: newEndpoints(), now: func() time.Time { return now }, server: &caddyhttp.Server{TLSConnPolicies: caddytls.ConnectionPolicies{
		{TLSConfig: &tls.Config{GetCertificate: shows}}, {TLSConfig: new(tls.Config)}, {},
	}}}
	of := func(name, local string) [][16]byte {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.TLS = cmp.Or(name, "192.0.2.1"), &tls.ConnectionState{ServerName: name}
		return h.endpointBindings(endOf(r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(net.TCPAddrFromAddrPort(mustAddrPort(t, local)))))), endpointFresh)
	}
	bEC, bRS, bOther, bFallback := bindingOf(t, ec), bindingOf(t, rs), bindingOf(t, other), bindingOf(t, fallback)
	renewed := shownCertificate(t, elliptical)
	for _, step := range []struct {
		what        string
		change      func()
		name, local string
		want        [][16]byte
	}{
		{"by name", func() {}, "web.example.com", "192.0.2.1:443", [][16]byte{bEC, bRS}},
		{"another name", func() {}, "other.example.com", "192.0.2.1:443", [][16]byte{bOther}},
		{"no name", func() {}, "", "192.0.2.1:443", [][16]byte{bFallback}},
		{"no name, another address", func() {}, "", "192.0.2.2:443", nil},
		{"an unknown name", func() {}, "evil.example.org", "192.0.2.1:443", nil},
		{"renewed", func() { now, ec = now.Add(endpointFresh), renewed }, "web.example.com", "192.0.2.1:443", [][16]byte{bindingOf(t, renewed), bRS, bEC}},
		{"a week later", func() { now = now.Add(endpointKept) }, "web.example.com", "192.0.2.1:443", [][16]byte{bindingOf(t, renewed), bRS}},
	} {
		step.change()
		if got := of(step.name, step.local); !slices.Equal(got, step.want) {
			t.Errorf("%s: got %x, want %x", step.what, got, step.want)
		}
	}
}

// TestEndpointsAreBounded: neither names nor certificates fill the memory, and the
// name that is in use stays.
func TestEndpointsAreBounded(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := func() *x509.Certificate {
		c, err := x509.ParseCertificate(shownCertificate(t, key).Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := leaf()
	e, now, looked := newEndpoints(), time.Now(), 0
	look := func() []*x509.Certificate { looked++; return []*x509.Certificate{one} }
	for i := range 2 * maxEndpoints {
		now = now.Add(time.Millisecond)
		e.of(endpoint{name: fmt.Sprint(i)}, now, endpointFresh, look)
		e.of(endpoint{name: "web.example.com"}, now, endpointFresh, look)
	}
	if len(e.names) > maxEndpoints || e.names[endpoint{name: "web.example.com"}] == nil {
		t.Errorf("got %d names, want %d and the one in use", len(e.names), maxEndpoints)
	}
	if most := 2*maxEndpoints + int(2*maxEndpoints*time.Millisecond/endpointFresh) + 2; looked > most {
		t.Errorf("got %d looks, want %d at most", looked, most)
	}
	for range maxShown + 10 {
		now = now.Add(endpointFresh)
		e.of(endpoint{name: "web.example.com"}, now, endpointFresh, func() []*x509.Certificate { return []*x509.Certificate{leaf()} })
	}
	if got := len(e.names[endpoint{name: "web.example.com"}].certificates); got != maxShown {
		t.Errorf("got %d certificates, want %d", got, maxShown)
	}
}

// TestSlowCertificate: whoever waits for the certificate of one name holds up nobody who
// asks for another, and names without one are not remembered.
func TestSlowCertificate(t *testing.T) {
	e, now, slow, began := newEndpoints(), time.Now(), make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.of(endpoint{name: "slow"}, now, endpointFresh, func() []*x509.Certificate { close(began); <-slow; return nil })
	}()
	<-began
	other := make(chan struct{})
	go func() {
		defer close(other)
		e.of(endpoint{name: "other"}, now, endpointFresh, func() []*x509.Certificate { return nil })
	}()
	select {
	case <-other:
	case <-time.After(5 * time.Second):
		t.Error("the other name waits for the slow one")
	}
	close(slow)
	<-ended
	<-other
	if len(e.names) != 0 {
		t.Errorf("got %d names remembered, want none", len(e.names))
	}
}

func mustAddrPort(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	address, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}
