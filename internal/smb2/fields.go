package smb2

import "encoding/binary"

// body is the structure after an answer's header, with the whole message for
// the buffers that it points to: offsets count from the header.
type body struct {
	name string
	msg  []byte
	size int // of the fixed part, header included
}

// openBody checks StructureSize. A structure with a buffer counts one byte of it,
// which need not be there, [MS-SMB2] 2.2: fixed is the size without.
func openBody(name string, msg []byte, structureSize uint16, fixed int) (body, error) {
	if len(msg) < headerLen+fixed {
		return body{}, malformed(name, "StructureSize", "%d bytes where %d are due", len(msg), headerLen+fixed)
	}
	if got := binary.LittleEndian.Uint16(msg[headerLen:]); got != structureSize {
		return body{}, malformed(name, "StructureSize", "%d, not %d", got, structureSize)
	}
	return body{name: name, msg: msg, size: headerLen + fixed}, nil
}

// The fields of the fixed part, by their place in the structure.
func (b body) uint8(at int) uint8   { return b.msg[headerLen+at] }
func (b body) uint16(at int) uint16 { return binary.LittleEndian.Uint16(b.msg[headerLen+at:]) }
func (b body) uint32(at int) uint32 { return binary.LittleEndian.Uint32(b.msg[headerLen+at:]) }
func (b body) bytes16(at int) [16]byte {
	return [16]byte(b.msg[headerLen+at:])
}

// buffer returns what offset and length point to: a part of the message behind
// its fixed part. An empty one may be anywhere.
func (b body) buffer(field string, offset, length uint64) ([]byte, error) {
	if length == 0 {
		return nil, nil
	}
	if offset < uint64(b.size) {
		return nil, malformed(b.name, field, "offset %d lies within the fixed part of %d bytes", offset, b.size)
	}
	if end := offset + length; end > uint64(len(b.msg)) { // both come from at most 32 bits
		return nil, malformed(b.name, field, "it ends at %d, past the message of %d bytes", end, len(b.msg))
	}
	return b.msg[offset : offset+length : offset+length], nil
}
