package caddyldap

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// binding is the channel binding of the connection's TLS, tls-server-end-point
// (RFC 5929 4), as NTLM and Kerberos carry it; nil without TLS.
func (c *conn) binding() *[16]byte {
	secure, ok := c.top.(*tls.Conn)
	if !ok {
		return nil
	}
	chain := secure.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return nil
	}
	return EndPointBinding(chain[0])
}

// EndPointBinding is the MD5 of the channel bindings of a TLS connection to a server
// with this certificate, of the type tls-server-end-point, RFC 5929 4.
func EndPointBinding(certificate *x509.Certificate) *[16]byte {
	sum := ntlm.ChannelBindings(append([]byte("tls-server-end-point:"), endPointHash(certificate)...))
	return &sum
}

// endPointHash is the hash of a certificate by the function of its signature;
// MD5 and SHA-1 become SHA-256, and so does what names none, RFC 5929 4.1.
func endPointHash(certificate *x509.Certificate) []byte {
	function := crypto.SHA256
	switch certificate.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		function = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		function = crypto.SHA512
	}
	h := function.New()
	h.Write(certificate.Raw)
	return h.Sum(nil)
}
