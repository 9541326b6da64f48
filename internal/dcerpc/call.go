package dcerpc

import (
	"context"
	"encoding/binary"
)

// requestHead and responseHead are what stands before the stub, behind the header:
// alloc_hint, context id, and opnum or cancel count, C706 12.6.4.9 and 12.6.4.10.
const (
	requestHead  = 8
	responseHead = 8
)

// Call calls a method by its number and gives the stub of its answer. The error
// matches *Fault, ErrProtocol, ErrBroken or the context's cause, or is the
// connection's or the provider's; after all but *Fault the connection is closed.
func (b *Binding) Call(ctx context.Context, opnum uint16, stub []byte) ([]byte, error) {
	var answer []byte
	err := b.conn.exchange(ctx, func() error {
		id := b.conn.nextCall()
		if err := b.conn.send(id, b, opnum, stub); err != nil {
			return err
		}
		var err error
		answer, err = b.conn.receive(id, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// send writes the request in as many fragments as it takes.
func (c *Conn) send(id uint32, b *Binding, opnum uint16, stub []byte) error {
	if c.security != nil {
		stub = c.verified(stub, id, b, opnum)
	}
	most := c.maxSend - headerLen - requestHead
	if c.security != nil {
		most -= trailerLen + c.security.SignatureLen()
	}
	most &^= authPadding - 1
	for flags := uint8(flagFirst); ; flags = 0 {
		part := stub[:min(most, len(stub))]
		stub = stub[len(part):]
		if len(stub) == 0 {
			flags |= flagLast
		}
		raw, err := c.request(flags, id, b, opnum, part, len(part)+len(stub))
		if err != nil {
			return err
		}
		if err := c.write(raw); err != nil {
			return err
		}
		if len(stub) == 0 {
			return nil
		}
	}
}

// request writes one fragment. left is how much of the stub it and those after it
// carry.
func (c *Conn) request(flags uint8, id uint32, b *Binding, opnum uint16, part []byte, left int) ([]byte, error) {
	authLen := 0
	if c.security != nil {
		authLen = c.security.SignatureLen()
	}
	raw := appendHeader(make([]byte, 0, headerLen+requestHead+len(part)+authPadding+trailerLen+authLen), kindRequest, flags, id, authLen)
	raw = binary.LittleEndian.AppendUint32(raw, uint32(left))
	raw = binary.LittleEndian.AppendUint16(raw, b.contextID)
	raw = binary.LittleEndian.AppendUint16(raw, opnum)
	if c.security == nil {
		return finish(append(raw, part...)), nil
	}
	padding := -len(part) & (authPadding - 1)
	plain := make([]byte, len(part)+padding)
	copy(plain, part)
	at, end := len(raw), len(raw)+len(plain)
	raw = finish(append(appendTrailer(append(raw, plain...), c.security, padding), make([]byte, authLen)...))
	var around Around
	if c.signsHeaders {
		around = Around{raw[:at], raw[end : end+trailerLen]}
	}
	sealed, signature, err := c.security.Seal(plain, around)
	if err != nil {
		return nil, err
	}
	if len(signature) != authLen || len(sealed) != len(plain) {
		return nil, protocol("our security provider made %d bytes of %d, and a signature of %d", len(sealed), len(plain), len(signature))
	}
	copy(raw[at:], sealed)
	copy(raw[end+trailerLen:], signature)
	return raw, nil
}

// receive reads the answer to a call: a response in fragments, or a fault.
func (c *Conn) receive(id uint32, b *Binding) ([]byte, error) {
	var stub []byte
	for total, first := 0, true; ; first = false {
		p, err := readPDU(c.reader)
		if err != nil {
			return nil, err
		}
		if total += len(p.raw); total > maxAnswer {
			return nil, protocol("an answer of more than %d bytes", maxAnswer)
		}
		if p.callID != id {
			return nil, protocol("an answer to call %d, and call %d was made", p.callID, id)
		}
		if p.kind == kindFault {
			return nil, readFault(p)
		}
		part, err := c.response(p, b, first)
		if err != nil {
			return nil, err
		}
		stub = append(stub, part...)
		if p.has(flagLast) {
			return stub, nil
		}
	}
}

// response checks one fragment and opens it.
func (c *Conn) response(p *pdu, b *Binding, first bool) ([]byte, error) {
	switch {
	case p.kind != kindResponse:
		return nil, protocol("a PDU of type %d where a call is answered", p.kind)
	case p.has(flagFirst) != first:
		return nil, protocol("fragments out of order: flags %#x", p.flags)
	case len(p.body) < responseHead:
		return nil, protocol("an answer of %d bytes", len(p.body))
	}
	if context := binary.LittleEndian.Uint16(p.body[4:]); context != b.contextID {
		return nil, protocol("an answer in the context %d, the call was in %d", context, b.contextID)
	}
	return c.open(p, responseHead)
}
