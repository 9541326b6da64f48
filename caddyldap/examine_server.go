package caddyldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// expiresSoon is when a certificate is worth a word, and clockSkew what Kerberos
// bears (RFC 4120).
const (
	expiresSoon = 30
	clockSkew   = 5 * time.Minute
	// challengeLife is how old the time in an NTLMv2 response may be for Windows,
	// MaxLifetime in [MS-NLMP] 3.1.1.1.
	challengeLife = 36 * time.Hour
)

// server looks at one server from the name to the service account.
func (x *examination) server(ctx context.Context, s *server) {
	ctx, cancel := context.WithTimeout(ctx, 4*overall)
	defer cancel()
	x.channels[s] = Faulty
	if !x.resolves(ctx, s) {
		return
	}
	defer x.channel(ctx, s) // LDAP may answer where RPC does not, and the other way about
	if !x.reaches(ctx, s) {
		return
	}
	c, err := x.directory.connect(ctx, s)
	if err != nil {
		x.ldap("tls", err)
		if identity.KindOf(err) == identity.KindTLS {
			x.presented(ctx, s)
		}
		return
	}
	defer c.close()
	x.secured(c)
	c.open()
	root, ok := x.root(ctx, c)
	if !ok {
		return
	}
	x.clock(ctx, c)
	x.usable[s] = true
	if err := x.directory.testRoot(s, root); err != nil {
		x.fault("rootdse", err)
	}
	if err := x.directory.testPlain(ctx, s); err != nil {
		x.usable[s] = false
		x.fault("bind", err)
	}
	x.account(ctx, s, root)
}

func (x *examination) resolves(ctx context.Context, s *server) bool {
	if net.ParseIP(strings.Trim(s.url.Host, "[]")) != nil {
		return true // an address
	}
	ctx, cancel := context.WithTimeout(ctx, x.directory.requestTimeout())
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, s.url.Host)
	if err != nil {
		x.fault("name", diagnose(s, dialing, err))
		return false
	}
	x.well("name", "%s is %s", s.url.Host, shownFew(addresses))
	return true
}

func (x *examination) reaches(ctx context.Context, s *server) bool {
	began := time.Now()
	raw, err := (&net.Dialer{Timeout: x.directory.dialTimeout()}).DialContext(ctx, "tcp", s.url.Addr())
	if err != nil {
		x.ldap("tcp", diagnose(s, dialing, err))
		return false
	}
	defer raw.Close()
	x.well("tcp", "%s answers in %v", raw.RemoteAddr(), time.Since(began).Round(100*time.Microsecond))
	return true
}

// secured tells of the TLS of a connection.
func (x *examination) secured(c *conn) {
	secure, ok := c.top.(*tls.Conn)
	if !ok {
		x.note("tls", "no TLS on this connection", "write ldaps:// or starttls")
		return
	}
	state := secure.ConnectionState()
	leaf := state.PeerCertificates[0]
	text := tls.VersionName(state.Version) + ", " + x.describe(leaf)
	if len(state.VerifiedChains) > 0 {
		chain := state.VerifiedChains[0]
		text += fmt.Sprintf(", believed by %.200q", nameOf(chain[len(chain)-1]))
	} else {
		text += ", believed unseen"
	}
	if days := x.daysLeft(leaf); days < expiresSoon {
		x.note("tls", text, "renew the certificate: nobody logs in after its last day")
		return
	}
	x.well("tls", "%s", text)
}

// presented shows a certificate that was refused: who signed it says which
// authority to name. Nothing is sent but the handshake.
func (x *examination) presented(ctx context.Context, s *server) {
	look := &server{url: s.url, tls: s.tls.Clone()}
	look.tls.InsecureSkipVerify = true //nolint:gosec // to show it, and for nothing else
	c, err := x.directory.connect(ctx, look)
	if err != nil {
		return
	}
	defer c.close()
	if secure, ok := c.top.(*tls.Conn); ok {
		chain := secure.ConnectionState().PeerCertificates
		x.note("tls", "it shows a "+x.describe(chain[0]), "")
	}
}

func (x *examination) describe(leaf *x509.Certificate) string {
	return fmt.Sprintf("certificate for %s, signed by %.200q, good for %d days", certificateNames(leaf), leaf.Issuer.String(), x.daysLeft(leaf))
}

func (x *examination) daysLeft(leaf *x509.Certificate) int {
	return int(leaf.NotAfter.Sub(x.directory.now()).Hours() / 24)
}

func nameOf(c *x509.Certificate) string { return c.Subject.String() }

// root reads what the server says about itself to everybody.
func (x *examination) root(ctx context.Context, c *conn) (rootDSE, bool) {
	root, err := readRoot(ctx, c)
	if err != nil {
		x.ldap("rootdse", diagnose(c.server, searching, err))
		return root, false
	}
	x.directory.domain.note(root)
	text := "no Active Directory, naming contexts " + shownFew(root.contexts)
	if root.ad {
		text = "Active Directory, " + root.host + ", domain " + root.base
	}
	text += "; SASL " + shownFew(root.sasl)
	if len(root.sasl) == 0 {
		text += "none shown"
	}
	if more := len(root.contexts) - maxContexts; more > 0 && !root.ad {
		x.note("rootdse", text, fmt.Sprintf("%d naming contexts are searched for groups, those of base_dn first; let no rule name a group of another one", maxContexts))
		return root, true
	}
	x.well("rootdse", "%s", text)
	return root, true
}

// clock compares this machine's with the server's, [MS-ADTS] 3.1.1.3.2.
func (x *examination) clock(ctx context.Context, c *conn) {
	before := x.directory.now()
	e, err := c.entry(ctx, "", "currentTime")
	if err != nil || e == nil || value(e, "currentTime") == "" {
		return // few servers but Active Directory tell
	}
	at, err := time.Parse("20060102150405.0Z", value(e, "currentTime"))
	if err != nil {
		x.unclear("clock", fmt.Sprintf("the server's time is %.40q", value(e, "currentTime")), "")
		return
	}
	behind := at.Sub(before).Round(time.Second) // it tells whole seconds
	switch text := fmt.Sprintf("the server's clock is %v ahead of this one", behind); {
	case behind.Abs() <= 2*time.Second:
		x.well("clock", "the same as here")
	case behind.Abs() < clockSkew:
		x.well("clock", "%s", text)
	case x.directory.netlogon() != nil && behind.Abs() >= challengeLife:
		x.tell(Observation{Faulty, "clock", text, "set this clock by NTP: it is in each challenge of verify netlogon, and controllers refuse answers to one of another day"})
	case x.directory.keytab() != nil, x.directory.ServiceAccount != nil && x.directory.ServiceAccount.Mechanism == accountKerberos:
		x.tell(Observation{Faulty, "clock", text, "Kerberos bears five minutes: set this clock by NTP"})
	default:
		x.note("clock", text, "set this clock by NTP: Kerberos bears five minutes, and certificates are judged by it")
	}
}
