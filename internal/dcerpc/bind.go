package dcerpc

import (
	"context"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// A Binding is an interface that the server has agreed to on a connection.
type Binding struct {
	conn      *Conn
	contextID uint16
	iface     Syntax
	confirmed bool // the server was told under seal what the bind was for
}

// Bind asks for an interface. The first of a connection is a bind, with the token
// of security where that is not nil; from then on every call is sealed by it.
// Further ones are an alter_context, C706 12.6.4.1, and security is nil: it stays
// what it is. The error matches *Nak, *Rejection, *Fault or ErrProtocol, or is the
// connection's or the provider's.
func (c *Conn) Bind(ctx context.Context, iface Syntax, security Security) (*Binding, error) {
	b := &Binding{conn: c, iface: iface}
	err := c.exchange(ctx, func() error {
		b.contextID = c.contexts
		c.contexts++
		if b.contextID > 0 && security != nil {
			return protocol("a second security provider on one connection")
		}
		return c.bind(b, security)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (c *Conn) bind(b *Binding, security Security) error {
	ask, want := kindBind, kindBindAck
	if b.contextID > 0 {
		ask, want = kindAlter, kindAlterAnswer
	}
	id := c.nextCall()
	raw, err := encodeBind(ask, id, b.contextID, b.iface, security)
	if err != nil {
		return err
	}
	if err := c.write(raw); err != nil {
		return err
	}
	p, err := readPDU(c.reader)
	if err != nil {
		return err
	}
	switch {
	case p.callID != id || !p.whole():
		return protocol("an answer to call %d in fragments %#x, and call %d was made", p.callID, p.flags, id)
	case p.kind == kindFault:
		return readFault(p)
	case p.kind == kindBindNak && ask == kindBind:
		return readNak(p)
	case p.kind != want:
		return protocol("a PDU of type %d where a bind is answered", p.kind)
	}
	return c.acknowledged(p, b, security)
}

// acknowledged takes the answer to a bind.
func (c *Conn) acknowledged(p *pdu, b *Binding, security Security) error {
	ack, err := readBindAck(p)
	if err != nil {
		return err
	}
	if ack.result != 0 {
		return &Rejection{Interface: b.iface, Result: ack.result, Reason: ack.reason}
	}
	if ack.transfer != NDR {
		return protocol("the transfer syntax %s, and %s was asked for", ack.transfer, NDR)
	}
	if b.contextID > 0 {
		return nil
	}
	if err := checkTrailer(p, security); err != nil {
		return err
	}
	if security != nil {
		if err := security.Accept(p.auth.value); err != nil {
			return err
		}
	}
	if ack.maxReceive < mustReceive {
		return protocol("fragments of %d bytes, every implementation takes %d", ack.maxReceive, mustReceive)
	}
	c.maxSend = min(int(ack.maxReceive), maxFragment)
	c.security, c.bound = security, true
	c.signsHeaders = security != nil && p.has(flagSignsHeaders)
	return nil
}

// encodeBind writes a bind or alter_context, C706 12.6.4.3 and 12.6.4.1, for one
// presentation context with one transfer syntax.
func encodeBind(k kind, callID uint32, contextID uint16, iface Syntax, security Security) ([]byte, error) {
	var token []byte
	if security != nil {
		var err error
		if token, err = security.Token(); err != nil {
			return nil, err
		}
	}
	var w ndr.Writer
	flags := uint8(flagFirst | flagLast)
	if security != nil {
		flags |= flagSignsHeaders
	}
	w.Bytes(appendHeader(nil, k, flags, callID, len(token)))
	w.Uint16(maxFragment)
	w.Uint16(maxFragment)
	w.Uint32(0) // a new association group
	w.Uint32(1) // one presentation context
	w.Uint16(contextID)
	w.Uint16(1) // one transfer syntax
	iface.write(&w)
	NDR.write(&w)
	raw := w.Data()
	if security != nil {
		raw = append(appendTrailer(raw, security, 0), token...)
	}
	if len(raw) > maxFragment {
		return nil, protocol("a bind of %d bytes", len(raw))
	}
	return finish(raw), nil
}

type bindAck struct {
	maxReceive     uint16
	result, reason uint16
	transfer       Syntax
}

// readBindAck reads a bind_ack or alter_context_resp, C706 12.6.4.4 and 12.6.4.2.
func readBindAck(p *pdu) (bindAck, error) {
	r := ndr.NewReader(p.body)
	r.Uint16() // what the server sends at most; readPDU does not ask
	ack := bindAck{maxReceive: r.Uint16()}
	r.Uint32() // association group
	r.Bytes(uint64(r.Uint16()))
	results := r.Uint32() & 0xFF // aligned, and behind it reserved bytes
	ack.result, ack.reason = r.Uint16(), r.Uint16()
	ack.transfer = readSyntax(r)
	if r.Err() != nil || results != 1 {
		return bindAck{}, protocol("an answer to a bind of %d bytes and %d results", len(p.body), results)
	}
	return ack, nil
}

// readNak reads a bind_nak.
func readNak(p *pdu) error {
	r := ndr.NewReader(p.body)
	reason := r.Uint16()
	if r.Err() != nil {
		return protocol("a bind_nak of %d bytes", len(p.body))
	}
	return &Nak{Reason: reason}
}
