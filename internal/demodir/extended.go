package demodir

import "crypto/tls"

// The extended operations that are served.
const (
	oidStartTLS = "1.3.6.1.4.1.1466.20037"  // RFC 4511 4.14
	oidWhoAmI   = "1.3.6.1.4.1.4203.1.11.3" // RFC 4532
)

// extendedRequest is an ExtendedRequest, RFC 4511 4.12.
type extendedRequest struct{ oid string }

func parseExtended(b ber) (*extendedRequest, error) {
	name, err := b.read(0x80)
	if err != nil {
		return nil, err
	}
	if len(b) > 0 {
		if _, err := b.read(0x81); err != nil || len(b) > 0 {
			return nil, errBER
		}
	}
	return &extendedRequest{oid: string(name)}, nil
}

func (c *conn) extended(r *request, op *extendedRequest) bool {
	switch op.oid {
	case oidStartTLS:
		return c.startTLS(r)
	case oidWhoAmI:
		return c.reply(r, opExtendedResponse, join(result{}.encode(), element(0x8B, []byte(c.authzID()))))
	}
	res := result{code: protocolError, text: "0000203D: LdapErr: DSID-0C090E1E, comment: Unknown extended request OID, data 0, v1db1"}
	return c.reply(r, opExtendedResponse, res.encode())
}

// authzID names whom the connection is bound as, RFC 4513 5.2.1.8; nobody is
// the empty one.
func (c *conn) authzID() string {
	switch {
	case c.who == nil:
		return ""
	case c.cfg.NotActive && c.who.entry != nil:
		return "dn:" + c.who.entry.dn
	}
	return "u:" + c.who.logon
}

// startTLS answers in the clear and goes on inside TLS. What the client sent
// behind its request without waiting would be taken for encrypted: that ends
// the connection.
func (c *conn) startTLS(r *request) bool {
	if c.secure {
		res := result{code: operationsError, text: "00000000: LdapErr: DSID-0C090E17, comment: TLS is already in effect, data 0, v1db1"}
		return c.reply(r, opExtendedResponse, res.encode())
	}
	oid := element(0x8A, []byte(oidStartTLS))
	if c.in.Buffered() > 0 || !c.reply(r, opExtendedResponse, join(result{}.encode(), oid)) {
		return false
	}
	c.stream, c.secure = tls.Server(c.raw, c.certs.tlsConfig()), true
	c.in.Reset(c.stream)
	return true
}
