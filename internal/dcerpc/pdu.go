package dcerpc

import (
	"encoding/binary"
	"fmt"
	"io"
)

// kind is a PDU's type, C706 12.6.3.1.
type kind uint8

const (
	kindRequest     kind = 0
	kindResponse    kind = 2
	kindFault       kind = 3
	kindBind        kind = 11
	kindBindAck     kind = 12
	kindBindNak     kind = 13
	kindAlter       kind = 14
	kindAlterAnswer kind = 15
)

// Flags of the header, C706 12.6.3.1.
const (
	flagFirst = 0x01
	flagLast  = 0x02
	// flagSignsHeaders, of a bind and its answer, is PFC_SUPPORT_HEADER_SIGN of
	// [MS-RPCE] 2.2.2.3: signatures cover headers and trailers too.
	flagSignsHeaders = 0x04
)

// Sizes in bytes. maxFragment is what we send and accept in one fragment, as
// Windows does; maxAnswer bounds an answer of many, however small each is:
// without it a server could send fragments for ever. mustReceive is what every
// implementation takes, C706 12.6.3.5.
const (
	headerLen   = 16
	maxFragment = 5840
	maxAnswer   = 1 << 20
	mustReceive = 1432
)

// The fixed parts of the header: version 5.0, little-endian, ASCII, IEEE floats.
const (
	rpcVersion   = 5
	littleEndian = 0x10
)

// pdu is one fragment as it came.
type pdu struct {
	kind   kind
	flags  uint8
	callID uint32
	raw    []byte       // all of it
	body   []byte       // between the header and the authentication trailer
	auth   *authTrailer // nil where there is none
}

func (p *pdu) has(flag uint8) bool { return p.flags&flag != 0 }

// whole reports whether the PDU is the first and the last fragment.
func (p *pdu) whole() bool { return p.has(flagFirst) && p.has(flagLast) }

// appendHeader writes the header of a PDU, whose length is put in by finish.
func appendHeader(b []byte, k kind, flags uint8, callID uint32, authLen int) []byte {
	b = append(b, rpcVersion, 0, byte(k), flags, littleEndian, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(authLen))
	return binary.LittleEndian.AppendUint32(b, callID)
}

func finish(b []byte) []byte {
	binary.LittleEndian.PutUint16(b[8:], uint16(len(b)))
	return b
}

// readPDU reads one fragment, as long as its header says and as is allowed.
func readPDU(from io.Reader) (*pdu, error) {
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, fmt.Errorf("reading the server's answer: %w", err)
	}
	size := int(binary.LittleEndian.Uint16(head[8:]))
	authLen := int(binary.LittleEndian.Uint16(head[10:]))
	switch {
	case head[0] != rpcVersion || head[1] > 1:
		return nil, protocol("version %d.%d", head[0], head[1])
	case head[4] != littleEndian || head[5] != 0:
		return nil, protocol("data representation %#x", head[4:8])
	case size < headerLen || size > maxFragment:
		return nil, protocol("a fragment of %d bytes, %d are the most", size, maxFragment)
	}
	raw := append(head, make([]byte, size-headerLen)...)
	if _, err := io.ReadFull(from, raw[headerLen:]); err != nil {
		return nil, fmt.Errorf("reading the server's answer: %w", err)
	}
	p := &pdu{kind: kind(head[2]), flags: head[3], callID: binary.LittleEndian.Uint32(head[12:]), raw: raw, body: raw[headerLen:]}
	if authLen > 0 {
		return p, p.cutTrailer(authLen)
	}
	return p, nil
}
