package smb2

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The flags of a session, [MS-SMB2] 2.2.6.
const (
	sessionGuest   = 0x0001 // SMB2_SESSION_FLAG_IS_GUEST
	sessionNull    = 0x0002 // SMB2_SESSION_FLAG_IS_NULL
	sessionEncrypt = 0x0004 // SMB2_SESSION_FLAG_ENCRYPT_DATA
)

// setupRequest writes an SMB2 SESSION_SETUP Request, [MS-SMB2] 2.2.5, with the
// SecurityMode of NEGOTIATE.
func setupRequest(securityMode uint8, token []byte) ([]byte, error) {
	const size, fixed = 25, 24
	if len(token) == 0 || len(token) > math.MaxUint16 {
		return nil, fmt.Errorf("%w: %d bytes", ErrToken, len(token))
	}
	b := make([]byte, fixed, fixed+len(token))
	binary.LittleEndian.PutUint16(b, size)
	b[3] = securityMode
	binary.LittleEndian.PutUint16(b[12:], headerLen+fixed)
	binary.LittleEndian.PutUint16(b[14:], uint16(len(token)))
	return append(b, token...), nil
}

// setupAnswer is an SMB2 SESSION_SETUP Response, [MS-SMB2] 2.2.6.
type setupAnswer struct {
	flags uint16
	token []byte // part of the message
}

func parseSetup(msg []byte) (setupAnswer, error) {
	b, err := openBody("SESSION_SETUP Response", msg, 9, 8)
	if err != nil {
		return setupAnswer{}, err
	}
	token, err := b.buffer("SecurityBuffer", uint64(b.uint16(4)), uint64(b.uint16(6)))
	if err != nil {
		return setupAnswer{}, err
	}
	return setupAnswer{flags: b.uint16(2), token: token}, nil
}
