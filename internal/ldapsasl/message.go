// Package ldapsasl speaks the few LDAP messages that must pass before an LDAP
// library may own a connection: StartTLS and the legs of a SASL GSS-SPNEGO bind,
// whose tokens go in and out byte for byte. Each read takes exactly one
// message from the connection and leaves nothing in a buffer.
//
// It also is the gate for everything that a server sends: Gate hands an LDAP
// library only whole messages of bounded size and depth.
package ldapsasl

import (
	"errors"
	"fmt"
	"io"
)

// Bounds on what a server can make us hold or descend into. The library's own
// bounds are package globals of two gigabytes.
const (
	// MaxBind bounds the answer to a bind or to StartTLS.
	MaxBind = 64 << 10
	// MaxMessage bounds any other message: 1,500 member DNs in a search entry
	// are the largest thing that a directory has reason to send.
	MaxMessage = 1 << 20
	// maxDepth bounds nesting. A search entry with controls needs five.
	maxDepth = 16
)

// ErrMalformed is matched by every error about bytes that are no LDAPMessage.
var ErrMalformed = errors.New("malformed LDAP message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

const tagSequence = 0x30 // universal, constructed

// ReadMessage reads exactly one LDAPMessage of at most limit bytes and checks
// its form: definite lengths only (RFC 4511 5.1), every part within the one
// around it, bounded depth. A clean end of the stream is io.EOF.
func ReadMessage(r io.Reader, limit int) ([]byte, error) {
	head := make([]byte, 2, 64)
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return nil, err
	}
	if head[0] != tagSequence {
		return nil, malformed("tag %#02x instead of a sequence", head[0])
	}
	if _, err := io.ReadFull(r, head[1:2]); err != nil {
		return nil, unexpected(err)
	}
	if more := int(head[1] & 0x7F); head[1] >= 0x80 {
		if more == 0 || more > 4 {
			return nil, malformed("length of %d bytes", more)
		}
		head = head[:2+more]
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, unexpected(err)
		}
	}
	length, n, err := parseLength(head[1:])
	if err != nil {
		return nil, err
	}
	if length > uint64(limit) {
		return nil, malformed("%d bytes, the limit is %d", length, limit)
	}
	message := append(head[:1+n], make([]byte, length)...)
	if _, err := io.ReadFull(r, message[1+n:]); err != nil {
		return nil, unexpected(err)
	}
	return message, checkParts(message[1+n:], maxDepth)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseLength reads the length octets at the start of b, ITU-T X.690 8.1.3, and
// says how many they are.
func parseLength(b []byte) (length uint64, n int, err error) {
	if len(b) == 0 {
		return 0, 0, malformed("no length")
	}
	if b[0] < 0x80 {
		return uint64(b[0]), 1, nil
	}
	more := int(b[0] & 0x7F)
	if more == 0 || more > 4 || len(b) < 1+more {
		return 0, 0, malformed("length of %d bytes", more)
	}
	for _, octet := range b[1 : 1+more] {
		length = length<<8 | uint64(octet)
	}
	return length, 1 + more, nil
}

// part reads one element at the start of b.
func part(b []byte) (tag byte, content, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, nil, malformed("an element is missing")
	}
	tag = b[0]
	if tag&0x1F == 0x1F {
		return 0, nil, nil, malformed("long tag") // LDAP's tags end at 25
	}
	length, n, err := parseLength(b[1:])
	if err != nil {
		return 0, nil, nil, err
	}
	b = b[1+n:]
	if length > uint64(len(b)) {
		return 0, nil, nil, malformed("an element of %d bytes where %d are left", length, len(b))
	}
	return tag, b[:length], b[length:], nil
}

// checkParts descends into every constructed element.
func checkParts(b []byte, depth int) error {
	if depth == 0 {
		return malformed("deeper than %d", maxDepth)
	}
	for len(b) > 0 {
		tag, content, rest, err := part(b)
		if err != nil {
			return err
		}
		if tag&0x20 != 0 {
			if err := checkParts(content, depth-1); err != nil {
				return err
			}
		}
		b = rest
	}
	return nil
}

// messageID reads the messageID of a message that ReadMessage accepted.
func messageID(message []byte) (id int64, op []byte, err error) {
	_, content, _, err := part(message)
	if err != nil {
		return 0, nil, err
	}
	tag, number, op, err := part(content)
	if err != nil {
		return 0, nil, err
	}
	if tag != 0x02 || len(number) == 0 || len(number) > 4 || number[0]&0x80 != 0 {
		return 0, nil, malformed("no message ID")
	}
	for _, octet := range number {
		id = id<<8 | int64(octet)
	}
	return id, op, nil
}
