package dcerpc

import (
	"encoding/binary"
)

// Security protects the calls of one connection, at the level of privacy: every
// stub is encrypted and authenticated, [MS-RPCE] 2.2.1.1.8. A provider belongs to
// one connection; its methods are called one after another, each message once
// and in its order.
type Security interface {
	// Type is the provider's number, [MS-RPCE] 2.2.1.1.7.
	Type() uint8
	// Token goes with the bind.
	Token() ([]byte, error)
	// Accept takes the token that came with the bind's answer.
	Accept(token []byte) error
	// SignatureLen is how many bytes a signature takes.
	SignatureLen() int
	// Seal encrypts a message of ours and signs it. plain is its own to change.
	// around is what stands before and behind it in the PDU, which is signed with it.
	Seal(plain []byte, around Around) (sealed, signature []byte, err error)
	// Unseal decrypts a message of the server's and checks it; what fails that is
	// an error. sealed is its own to change.
	Unseal(sealed []byte, around Around, signature []byte) (plain []byte, err error)
}

// Around are the parts of a PDU that are not encrypted: its header with the call's,
// and its trailer up to the signature. Both are nil where the server does not sign
// headers, PFC_SUPPORT_HEADER_SIGN of [MS-RPCE] 2.2.2.3.
type Around struct{ Header, Trailer []byte }

// The authentication trailer, sec_trailer of [MS-RPCE] 2.2.2.11.
const (
	trailerLen    = 8
	levelPrivacy  = 6
	authContextID = 1
	authPadding   = 16 // what is sealed is a multiple of it, [MS-RPCE] 2.2.2.11
)

type authTrailer struct {
	security, level, padding uint8
	contextID                uint32
	value                    []byte // token or signature
}

// cutTrailer takes the trailer off the body, whose value has authLen bytes.
func (p *pdu) cutTrailer(authLen int) error {
	at := len(p.body) - authLen - trailerLen
	if at < 0 {
		return protocol("an authentication value of %d bytes in a fragment of %d", authLen, len(p.raw))
	}
	t := p.body[at:]
	p.auth = &authTrailer{security: t[0], level: t[1], padding: t[2], contextID: binary.LittleEndian.Uint32(t[4:]), value: t[trailerLen:]}
	p.body = p.body[:at]
	return nil
}

// appendTrailer writes the trailer before its value.
func appendTrailer(b []byte, s Security, padding int) []byte {
	b = append(b, s.Type(), levelPrivacy, byte(padding), 0)
	return binary.LittleEndian.AppendUint32(b, authContextID)
}

// checkTrailer refuses an answer that is protected otherwise than was agreed: not
// at all, by somebody else, or at a lower level.
func checkTrailer(p *pdu, s Security) error {
	switch {
	case s == nil && p.auth != nil:
		return protocol("an authentication trailer where none was agreed")
	case s == nil:
		return nil
	case p.auth == nil:
		return protocol("an answer without protection on a sealed connection")
	case p.auth.security != s.Type() || p.auth.level != levelPrivacy || p.auth.contextID != authContextID:
		return protocol("an answer protected by provider %d at level %d in context %d, not by %d at %d in %d",
			p.auth.security, p.auth.level, p.auth.contextID, s.Type(), levelPrivacy, authContextID)
	}
	return nil
}

// open gives what a fragment carries behind a head that is not sealed, which is
// there, and decrypts it where there is a provider.
func (c *Conn) open(p *pdu, head int) ([]byte, error) {
	s := c.security
	if err := checkTrailer(p, s); err != nil {
		return nil, err
	}
	if s == nil {
		return p.body[head:], nil
	}
	var around Around
	if c.signsHeaders {
		around = Around{p.raw[:headerLen+head], p.raw[headerLen+len(p.body) : len(p.raw)-len(p.auth.value)]}
	}
	plain, err := s.Unseal(p.body[head:], around, p.auth.value)
	if err != nil {
		return nil, err
	}
	// Nothing need protect its length, see Around: one that may be long takes bytes off the answer.
	if p.auth.padding >= authPadding || int(p.auth.padding) > len(plain) {
		return nil, protocol("%d bytes of padding in %d", p.auth.padding, len(plain))
	}
	return plain[:len(plain)-int(p.auth.padding)], nil
}
