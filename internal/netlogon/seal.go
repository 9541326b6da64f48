package netlogon

import (
	"crypto/hmac"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// The layout of an NL_AUTH_SHA2_SIGNATURE, [MS-NRPC] 2.2.1.3.3, as Windows and
// Samba send it: of the 32 bytes of the checksum eight are used, and the confounder
// stands behind those, not at the end.
const (
	signatureLen = 56

	sequenceAt   = 8
	checksumAt   = 16
	confounderAt = 24
	signatureEnd = 32
)

// signatureHead is HMAC-SHA256, AES-128, the pad, and no flags.
var signatureHead = [8]byte{0x13, 0x00, 0x1A, 0x00, 0xFF, 0xFF, 0x00, 0x00}

// sealer seals and unseals the messages of one connection, [MS-NRPC] 3.3.4.2. Both
// directions share one sequence.
type sealer struct {
	key      ntlm.Key
	sealing  ntlm.Key
	sequence uint32
	random   io.Reader
}

func newSealer(key ntlm.Key, random io.Reader) *sealer {
	s := &sealer{key: key, sealing: key, random: random}
	for i := range s.sealing {
		s.sealing[i] ^= 0xF0
	}
	return s
}

// Format hides the keys.
func (*sealer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "netlogon.sealer") }

// next gives the number of the next message, as the client or the server writes it.
func (s *sealer) next(client bool) ([8]byte, error) {
	var number [8]byte
	if s.sequence == 1<<31 {
		return number, fmt.Errorf("%w: too many messages for one key", ErrSequence)
	}
	binary.BigEndian.PutUint32(number[:], s.sequence)
	if client {
		number[4] = 0x80
	}
	s.sequence++
	return number, nil
}

// checksum covers the head as it was sent, whose flags nobody checks, and the
// message with what stands around it in the PDU.
func (s *sealer) checksum(head, confounder, plain []byte, around dcerpc.Around) []byte {
	return mac(s.key[:], head, confounder, around.Header, plain, around.Trailer)[:8]
}

// SignatureLen is in bytes.
func (*sealer) SignatureLen() int { return signatureLen }

// Seal encrypts and signs in place, [MS-NRPC] 3.3.4.2.1.
func (s *sealer) Seal(plain []byte, around dcerpc.Around) (sealed, signature []byte, err error) {
	number, err := s.next(true)
	if err != nil {
		return nil, nil, err
	}
	signature = make([]byte, signatureLen)
	copy(signature, signatureHead[:])
	confounder := signature[confounderAt:signatureEnd]
	if _, err := io.ReadFull(s.random, confounder); err != nil {
		return nil, nil, fmt.Errorf("random bytes for a Netlogon signature: %w", err)
	}
	checksum := signature[checksumAt:confounderAt]
	copy(checksum, s.checksum(signatureHead[:], confounder, plain, around))

	data := newStream(s.sealing, number[:])
	data.encrypt(confounder)
	data.encrypt(plain)
	newStream(s.key, checksum).encrypt(number[:])
	copy(signature[sequenceAt:], number[:])
	return plain, signature, nil
}

// Unseal decrypts in place and checks, [MS-NRPC] 3.3.4.2.2. What fills a signature
// up at its end may be missing. The error matches ErrSignature or ErrSequence.
func (s *sealer) Unseal(sealed []byte, around dcerpc.Around, signature []byte) ([]byte, error) {
	want, err := s.next(false)
	if err != nil {
		return nil, err
	}
	if len(signature) < signatureEnd || len(signature) > signatureLen || string(signature[:6]) != string(signatureHead[:6]) {
		return nil, fmt.Errorf("%w: it is not one of AES and SHA-256", ErrSignature)
	}
	checksum := signature[checksumAt:confounderAt]
	number := [8]byte(signature[sequenceAt:])
	newStream(s.key, checksum).decrypt(number[:])
	if number != want {
		return nil, fmt.Errorf("%w: number %x, and %x is next", ErrSequence, number, want)
	}
	confounder := [8]byte(signature[confounderAt:])
	data := newStream(s.sealing, number[:])
	data.decrypt(confounder[:])
	data.decrypt(sealed)
	if !hmac.Equal(checksum, s.checksum(signature[:8], confounder[:], sealed, around)) {
		return nil, ErrSignature
	}
	return sealed, nil
}
