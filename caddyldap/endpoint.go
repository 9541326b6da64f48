package caddyldap

import (
	"crypto/tls"

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
	b := ntlm.EndPointBinding(chain[0])
	return &b
}
