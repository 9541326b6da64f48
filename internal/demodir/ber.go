package demodir

import (
	"encoding/binary"
	"errors"
)

// ber is what is left to read of a run of BER elements with one-octet
// identifiers and definite lengths, the subset of RFC 4511 5.1. Reading moves
// it on; nothing is copied and nothing nests here, so that hostile input costs
// no more than its own length.
type ber []byte

// The identifiers of X.690 8.1.2 that LDAP uses. Application and context ones
// are written where RFC 4511 has them.
const (
	tagBoolean    = 0x01
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagEnumerated = 0x0A
	tagSequence   = 0x30
	tagSet        = 0x31
)

var errBER = errors.New("malformed BER")

// next reads any element.
func (b *ber) next() (tag byte, body ber, err error) {
	head := *b
	if len(head) < 2 || head[0]&0x1F == 0x1F {
		return 0, nil, errBER
	}
	size, used, err := berLength(head[1:])
	if err != nil || size > uint64(len(head)-1-used) {
		return 0, nil, errBER
	}
	start := 1 + used
	end := start + int(size)
	*b = head[end:]
	return head[0], head[start:end], nil
}

// berLength reads a length of at most four octets, X.690 8.1.3, and says how
// many octets it took. Long forms that could be shorter are allowed: Windows
// sends them.
func berLength(b []byte) (size uint64, used int, err error) {
	if len(b) == 0 {
		return 0, 0, errBER
	}
	if b[0] < 0x80 {
		return uint64(b[0]), 1, nil
	}
	n := int(b[0] & 0x7F)
	if n == 0 || n > 4 || len(b) < 1+n {
		return 0, 0, errBER
	}
	for _, octet := range b[1 : 1+n] {
		size = size<<8 | uint64(octet)
	}
	return size, 1 + n, nil
}

// read reads an element that must have this tag.
func (b *ber) read(tag byte) (ber, error) {
	got, body, err := b.next()
	if err != nil || got != tag {
		return nil, errBER
	}
	return body, nil
}

// is reports whether the next element has this tag.
func (b ber) is(tag byte) bool { return len(b) > 0 && b[0] == tag }

// text reads an OCTET STRING.
func (b *ber) text() (string, error) {
	body, err := b.read(tagOctets)
	return string(body), err
}

// number reads an INTEGER or ENUMERATED from 0 to 2³¹-1, which is all that
// LDAP has (maxInt, RFC 4511 4.1.1).
func (b *ber) number(tag byte) (int, error) {
	body, err := b.read(tag)
	if err != nil || len(body) == 0 || len(body) > 4 || body[0] >= 0x80 {
		return 0, errBER
	}
	n := 0
	for _, octet := range body {
		n = n<<8 | int(octet)
	}
	return n, nil
}

// boolean reads a BOOLEAN.
func (b *ber) boolean() (bool, error) {
	body, err := b.read(tagBoolean)
	if err != nil || len(body) != 1 {
		return false, errBER
	}
	return body[0] != 0, nil
}

// element writes an element of some parts.
func element(tag byte, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	out := make([]byte, 0, size+6)
	out = append(out, tag)
	switch {
	case size < 0x80:
		out = append(out, byte(size))
	default:
		out = binary.BigEndian.AppendUint32(append(out, 0x84), uint32(size)) // as Windows writes it
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func octets(s string) []byte { return element(tagOctets, []byte(s)) }

// integer writes an INTEGER or ENUMERATED from 0 to 2³¹-1.
func integer(tag byte, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(n))
	for len(b) > 1 && b[0] == 0 && b[1] < 0x80 {
		b = b[1:]
	}
	return element(tag, b)
}
