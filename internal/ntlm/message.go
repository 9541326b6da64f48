// Package ntlm reads, writes and computes the messages of the NT LAN Manager
// protocol, [MS-NLMP]: bytes in, bytes out. It does no I/O, keeps no log and
// has no clock of its own.
//
// The three Parse functions and the Marshal methods are the codec. They hold
// no policy: a message that asks for NTLMv1 or for an anonymous log-on parses,
// and its reader decides. The hashes, responses and keys of [MS-NLMP] 3.3 and
// 3.4 are plain functions. Client and Server are one exchange each, from its
// first message to its last; both speak NTLMv2 alone, and nothing here can
// compute an LM or NTLMv1 response.
package ntlm

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// MessageType is the second word of every message, [MS-NLMP] 2.2.1.
type MessageType uint32

// The three messages of an exchange, in the order in which they travel.
const (
	TypeNegotiate    MessageType = 1
	TypeChallenge    MessageType = 2
	TypeAuthenticate MessageType = 3
)

// String gives the name that [MS-NLMP] uses for the message.
func (t MessageType) String() string {
	switch t {
	case TypeNegotiate:
		return "NEGOTIATE_MESSAGE"
	case TypeChallenge:
		return "CHALLENGE_MESSAGE"
	case TypeAuthenticate:
		return "AUTHENTICATE_MESSAGE"
	default:
		return fmt.Sprintf("message type %d", uint32(t))
	}
}

// signature opens every message.
const signature = "NTLMSSP\x00"

// prefixLen is the signature and the message type.
const prefixLen = len(signature) + 4

// IsMessage reports whether b starts as an NTLM message does. It tells a raw
// NTLM token from a SPNEGO one and promises nothing about what follows.
func IsMessage(b []byte) bool {
	return bytes.HasPrefix(b, []byte(signature))
}

// TypeOf reads the signature and the message type and nothing else. A type that
// [MS-NLMP] does not have is returned beside the error.
func TypeOf(msg []byte) (MessageType, error) {
	if !IsMessage(msg) {
		return 0, malformed("Signature", 0, "not NTLMSSP")
	}
	if len(msg) < prefixLen {
		return 0, malformed("MessageType", len(signature), "message ends here")
	}
	t := MessageType(binary.LittleEndian.Uint32(msg[len(signature):]))
	if t < TypeNegotiate || t > TypeAuthenticate {
		return t, malformed("MessageType", len(signature), "unknown %v", t)
	}
	return t, nil
}

// expect checks that msg is of type t and holds at least its fixed part.
func expect(msg []byte, t MessageType, fixed int) error {
	got, err := TypeOf(msg)
	if err != nil {
		return err
	}
	if got != t {
		return malformed("MessageType", len(signature), "%v where %v is due", got, t)
	}
	if len(msg) < fixed {
		return malformed("header", len(msg), "message ends before byte %d", fixed)
	}
	return nil
}

// start returns a zeroed header of n bytes with signature and type written.
func start(t MessageType, n int) []byte {
	b := make([]byte, n)
	copy(b, signature)
	binary.LittleEndian.PutUint32(b[len(signature):], uint32(t))
	return b
}

// Version is the VERSION structure, [MS-NLMP] 2.2.2.10. It serves debugging
// alone; nothing may depend on it.
type Version struct {
	Major, Minor uint8
	Build        uint16
	Revision     uint8
}

// versionLen is the size of a Version in a message.
const versionLen = 8

// RevisionW2K3 is the only revision of NTLMSSP there is.
const RevisionW2K3 = 0x0F

// String gives the version as Windows writes it, as in 10.0.20348.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Build)
}

func readVersion(b []byte) *Version {
	return &Version{Major: b[0], Minor: b[1], Build: binary.LittleEndian.Uint16(b[2:]), Revision: b[7]}
}

func (v *Version) put(b []byte) {
	b[0], b[1] = v.Major, v.Minor
	binary.LittleEndian.PutUint16(b[2:], v.Build)
	b[7] = v.Revision
}
