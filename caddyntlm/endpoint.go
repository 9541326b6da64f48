package caddyntlm

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// tls-server-end-point, RFC 5929 4: a connection is known by the certificate that
// its server has shown. Neither Go nor Caddy say which one that was; so those count
// that the server would show now, or has lately shown, under the name that the
// client asked for. All of them are the server's own. Sites of one server may have
// owners who do not trust each other: where a request names another host than TLS did,
// those certificates alone count that are that host's too.

const (
	// endpointFresh is how long the answer to "which certificates" is used while it
	// fits.
	endpointFresh = time.Second
	// endpointKept is how long a certificate counts after it was shown last: as long
	// as a session may be resumed, RFC 8446 4.6.1.
	endpointKept = 7 * 24 * time.Hour
	// maxEndpoints bounds the names, which clients choose where a certificate is
	// shown for any name; maxShown bounds the certificates of one.
	maxEndpoints, maxShown = 4096, 64
)

// endpoints remembers which certificates were shown under which name, over reloads.
type endpoints struct {
	mu    sync.Mutex
	names map[endpoint]*shown
}

// endpoint is what decides which certificate is shown: the name that the client
// asked for, or where it asked for none the address.
type endpoint struct{ name, address string }

// shown are the certificates under a name, the youngest first.
type shown struct {
	at           time.Time // of the last look
	certificates []shownLeaf
}

// shownLeaf is a certificate that a server has shown.
type shownLeaf struct {
	leaf    *x509.Certificate
	binding [16]byte
	last    time.Time
}

var sharedEndpoints = caddy.NewUsagePool()

const endpointsKey = "endpoints"

func newEndpoints() *endpoints { return &endpoints{names: make(map[endpoint]*shown)} }

// Destruct implements caddy.Destructor.
func (*endpoints) Destruct() error { return nil }

// shareEndpoints takes the memory that all doors of the process have.
func (h *Handler) shareEndpoints() error {
	shared, _, err := sharedEndpoints.LoadOrNew(endpointsKey, func() (caddy.Destructor, error) { return newEndpoints(), nil })
	if err != nil {
		return err
	}
	h.endpoints, h.sharing = shared.(*endpoints), true
	return nil
}

func (h *Handler) unshareEndpoints() {
	if h.sharing {
		_, _ = sharedEndpoints.Delete(endpointsKey)
	}
}

// of are the certificates under a name, as of no longer ago than fresh. look gives
// them as they are now.
func (e *endpoints) of(name endpoint, now time.Time, fresh time.Duration, look func() []*x509.Certificate) []shownLeaf {
	e.mu.Lock()
	if s := e.names[name]; s != nil && now.Sub(s.at) < fresh {
		defer e.mu.Unlock()
		return s.certificates
	}
	e.mu.Unlock()
	found := look() // which may ask a storage or a certificate authority, and hold up nobody else
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.names[name]
	if s == nil && len(found) == 0 {
		return nil // clients choose names
	}
	if s == nil {
		s = new(shown)
		e.makeRoom()
		e.names[name] = s
	}
	s.at = now
	s.note(found, now)
	return s.certificates
}

// note puts certificates before those that were shown earlier, and forgets the
// oldest. The slice that was handed out stays as it is.
func (s *shown) note(found []*x509.Certificate, now time.Time) {
	noted := make([]shownLeaf, 0, len(found)+len(s.certificates))
	for _, leaf := range found {
		if c := (shownLeaf{leaf, ntlm.EndPointBinding(leaf), now}); !slices.ContainsFunc(noted, c.same) {
			noted = append(noted, c)
		}
	}
	for _, c := range s.certificates {
		if len(noted) < maxShown && now.Sub(c.last) < endpointKept && !slices.ContainsFunc(noted, c.same) {
			noted = append(noted, c)
		}
	}
	s.certificates = noted
}

func (c shownLeaf) same(other shownLeaf) bool { return c.binding == other.binding }

// makeRoom forgets the name that was looked at longest ago.
func (e *endpoints) makeRoom() {
	if len(e.names) < maxEndpoints {
		return
	}
	var oldest endpoint
	var at time.Time
	for name, s := range e.names {
		if at.IsZero() || s.at.Before(at) {
			oldest, at = name, s.at
		}
	}
	delete(e.names, oldest)
}

// end is what of a request decides which certificates count for it. A handshake that
// waits keeps it, and not the request, which is as long as its client likes.
type end struct {
	local net.Addr // nil where nobody knows
	name  string   // that TLS was asked for
	host  string
	other bool // than TLS was asked for
}

func endOf(r *http.Request) end {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	e := end{local: local, name: strings.Clone(r.TLS.ServerName)}
	e.host, e.other = otherHost(r)
	e.host = strings.Clone(e.host)
	return e
}

// endpointBindings are the bindings of the connection that a request came on, as of
// no longer ago than fresh, that count for its host.
func (h *Handler) endpointBindings(e end, fresh time.Duration) [][16]byte {
	certificates := h.endpointCertificates(e, fresh)
	bindings := make([][16]byte, 0, len(certificates))
	for _, c := range certificates {
		if !e.other || c.leaf.VerifyHostname(e.host) == nil {
			bindings = append(bindings, c.binding)
		}
	}
	return bindings
}

// otherHost is the host that a request is for, and whether TLS was asked for another, or
// for none though the host has a name. Browsers do that where one certificate is of both
// hosts, RFC 9113 9.1.1. Caddy takes brackets off any host, and names are of ASCII: a
// letter that folds to one of those has another length.
func otherHost(r *http.Request) (host string, other bool) {
	host = r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(strings.TrimSuffix(host, "."), "[]")
	if _, err := netip.ParseAddr(host); err == nil && r.TLS.ServerName == "" {
		return host, false
	}
	return host, len(host) != len(r.TLS.ServerName) || !strings.EqualFold(host, r.TLS.ServerName)
}

func (h *Handler) endpointCertificates(e end, fresh time.Duration) []shownLeaf {
	name := endpoint{name: e.name}
	if name.name == "" && e.local != nil {
		name.address = e.local.String()
	}
	return h.endpoints.of(name, h.now(), fresh, func() []*x509.Certificate { return h.certificates(name.name, e.local) })
}

// certificates are those that the server may show under a name, or at an address
// where the client asks for none.
func (h *Handler) certificates(name string, local net.Addr) []*x509.Certificate {
	var found []*x509.Certificate
	if h.sharing { // then there is a configuration, and Caddy's cache of certificates
		for _, c := range caddytls.AllMatchingCertificates(name) {
			found = appendLeaf(found, &c.Certificate)
		}
	}
	for _, policy := range h.server.TLSConnPolicies {
		if policy.TLSConfig == nil || policy.TLSConfig.GetCertificate == nil {
			continue
		}
		for _, schemes := range signatureSchemes {
			hello := &tls.ClientHelloInfo{
				ServerName: name, Conn: standIn{local: local}, SignatureSchemes: schemes,
				SupportedVersions: []uint16{tls.VersionTLS13},
			}
			if c, err := policy.TLSConfig.GetCertificate(hello); err == nil {
				found = appendLeaf(found, c)
			}
		}
	}
	return found
}

// signatureSchemes make a server show one certificate and then the other, where it
// has one of ECDSA and one of RSA.
var signatureSchemes = [...][]tls.SignatureScheme{
	{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512, tls.Ed25519},
	{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512, tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512},
}

func appendLeaf(found []*x509.Certificate, c *tls.Certificate) []*x509.Certificate {
	leaf := c.Leaf
	if leaf == nil && len(c.Certificate) > 0 {
		leaf, _ = x509.ParseCertificate(c.Certificate[0])
	}
	if leaf == nil || slices.ContainsFunc(found, leaf.Equal) {
		return found
	}
	return append(found, leaf)
}

// standIn is a connection that is asked for its addresses alone.
type standIn struct {
	net.Conn
	local net.Addr
}

func (s standIn) LocalAddr() net.Addr {
	if s.local == nil {
		return new(net.TCPAddr)
	}
	return s.local
}

func (standIn) RemoteAddr() net.Addr { return new(net.TCPAddr) }
