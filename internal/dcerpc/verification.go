package dcerpc

import "github.com/caddy-ntlm/caddy-ntlm/internal/ndr"

// The verification trailer, [MS-RPCE] 2.2.2.13: what was agreed in a bind, which
// nothing protects, and what a provider that seals only the stub leaves unprotected
// in the header, said again where it is sealed, so that nobody on the way makes
// another call of it.
const (
	commandBitmask = 0x0001 // SEC_VT_COMMAND_BITMASK_1
	commandContext = 0x0002 // SEC_VT_COMMAND_PCONTEXT
	commandHeader  = 0x0003 // SEC_VT_COMMAND_HEADER2
	commandEnd     = 0x4000

	canSignHeaders = 0x1 // CLIENT_SUPPORT_HEADER_SIGNING, [MS-RPCE] 2.2.2.13.2
)

var verificationMark = [8]byte{0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71}

// verified puts the trailer behind a stub. Where signatures cover headers the first
// call of a binding carries it, else every call does, with the header.
func (c *Conn) verified(stub []byte, id uint32, b *Binding, opnum uint16) []byte {
	if c.signsHeaders && b.confirmed {
		return stub
	}
	b.confirmed = true
	var w ndr.Writer
	w.Bytes(stub)
	w.Align(4)
	w.Bytes(verificationMark[:])
	w.Uint16(commandBitmask)
	w.Uint16(4)
	w.Uint32(canSignHeaders)
	last := uint16(commandEnd)
	if !c.signsHeaders {
		last = 0
	}
	w.Uint16(commandContext | last)
	w.Uint16(2 * 20)
	b.iface.write(&w)
	NDR.write(&w)
	if c.signsHeaders {
		return w.Data()
	}
	w.Uint16(commandHeader | commandEnd)
	w.Uint16(16)
	w.Bytes([]byte{byte(kindRequest), 0, 0, 0, littleEndian, 0, 0, 0})
	w.Uint32(id)
	w.Uint16(b.contextID)
	w.Uint16(opnum)
	return w.Data()
}
