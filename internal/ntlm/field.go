package ntlm

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// fieldLen is the size of a descriptor: Len, MaxLen, BufferOffset.
const fieldLen = 8

// field is a descriptor read from a header: where in the payload a value
// stands. Offset and length are 64 bits wide, so that their sum cannot wrap.
// MaxLen is ignored, as [MS-NLMP] 2.2.1 demands of a receiver.
type field struct {
	name   string
	at     int // of the descriptor itself
	len    uint64
	offset uint64
}

func readField(name string, msg []byte, at int) field {
	return field{
		name:   name,
		at:     at,
		len:    uint64(binary.LittleEndian.Uint16(msg[at:])),
		offset: uint64(binary.LittleEndian.Uint32(msg[at+4:])),
	}
}

// empty reports a field without a value. Its offset means nothing: clients
// leave it zero, or let it point anywhere.
func (f field) empty() bool { return f.len == 0 }

// value returns the bytes that the descriptor points at, nil for an empty one.
// The caller has checked the bounds.
func (f field) value(msg []byte) []byte {
	if f.empty() {
		return nil
	}
	end := f.offset + f.len
	return msg[f.offset:end:end]
}

// payloadStart returns the lowest byte that any field points at, or the length
// of the message when no field has a value. What lies before it is header, and
// its size tells which of the optional parts an older client left out.
func payloadStart(msg []byte, fields ...field) int {
	start := uint64(len(msg))
	for _, f := range fields {
		if !f.empty() && f.offset < start {
			start = f.offset
		}
	}
	return int(start)
}

// checkFields refuses a value that starts inside the fixed header, ends past
// the message, or shares bytes with another.
//
// [MS-NLMP] 2.2.1 lets the values stand in any order and with gaps. It does not
// forbid two descriptors to share bytes, but describes the payload as holding
// each value, and no client is known that shares. A shared byte has two
// meanings, so it is refused.
func checkFields(msg []byte, header int, fields ...field) error {
	for _, f := range fields {
		switch {
		case f.empty():
		case f.offset < uint64(header):
			return malformed(f.name, f.at, "offset %d is inside the header", f.offset)
		case f.offset+f.len > uint64(len(msg)):
			return malformed(f.name, f.at, "bytes %d to %d of a message of %d", f.offset, f.offset+f.len, len(msg))
		}
	}
	return checkApart(fields)
}

func checkApart(fields []field) error {
	for i, f := range fields {
		for _, g := range fields[:i] {
			if f.empty() || g.empty() {
				continue
			}
			if f.offset < g.offset+g.len && g.offset < f.offset+f.len {
				return malformed(f.name, f.at, "shares bytes with %s", g.name)
			}
		}
	}
	return nil
}

// appendField appends value to msg and writes its descriptor at byte at.
func appendField(msg []byte, name string, at int, value []byte) ([]byte, error) {
	if len(value) > math.MaxUint16 {
		return nil, fmt.Errorf("%s of %d bytes does not fit an NTLM message", name, len(value))
	}
	binary.LittleEndian.PutUint16(msg[at:], uint16(len(value)))
	binary.LittleEndian.PutUint16(msg[at+2:], uint16(len(value)))
	binary.LittleEndian.PutUint32(msg[at+4:], uint32(len(msg)))
	return append(slices.Grow(msg, len(value)), value...), nil
}

// placed is a value and the byte of the header where its descriptor goes.
type placed struct {
	name  string
	at    int
	value []byte
}

// appendFields appends the values in the given order.
func appendFields(msg []byte, values ...placed) ([]byte, error) {
	var err error
	for _, v := range values {
		if msg, err = appendField(msg, v.name, v.at, v.value); err != nil {
			return nil, err
		}
	}
	return msg, nil
}

// appendSupplied appends the values that are there. The descriptor of one that
// is not stays zero, offset included.
func appendSupplied(msg []byte, values ...placed) ([]byte, error) {
	for _, v := range values {
		if len(v.value) == 0 {
			continue
		}
		var err error
		if msg, err = appendField(msg, v.name, v.at, v.value); err != nil {
			return nil, err
		}
	}
	return msg, nil
}
