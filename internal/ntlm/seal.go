package ntlm

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"errors"
)

// Direction says who sends a protected message; each way has its own keys.
type Direction int

// The two directions of a connection.
const (
	ClientToServer Direction = iota
	ServerToClient
)

// magic is the constant that [MS-NLMP] 3.4.5.2 and 3.4.5.3 mix into a key.
func (d Direction) magic(purpose string) []byte {
	way := "client-to-server"
	if d == ServerToClient {
		way = "server-to-client"
	}
	return []byte("session key to " + way + " " + purpose + " key magic constant\x00")
}

// SignKey is the SIGNKEY of [MS-NLMP] 3.4.5.2, for extended session security.
func SignKey(exported [16]byte, d Direction) Key {
	return sum16(md5.New(), exported[:], d.magic("signing"))
}

// SealKey is the SEALKEY of [MS-NLMP] 3.4.5.3, for extended session security:
// of 128 bits, 56 or 40, by the flags.
func SealKey(f Flags, exported [16]byte, d Direction) Key {
	n := 5
	switch {
	case f.Has(Negotiate128):
		n = 16
	case f.Has(Negotiate56):
		n = 7
	}
	return sum16(md5.New(), exported[:n], d.magic("sealing"))
}

// ErrSignature means that a signed or sealed message is not the sender's, or
// not the next one.
var ErrSignature = errors.New("wrong NTLM message signature")

// Channel protects the messages of one direction, [MS-NLMP] 3.4. Messages must
// pass in the order in which they were sent: cipher and sequence number run on.
// It is made only for extended session security, which NTLMv2 clients always
// negotiate. A Channel is not safe for concurrent use.
//
// SPNEGO's mechListMIC and the first message after it are signed from the same
// cipher state, [MS-SPNG] 3.3.5.1: use a Channel for the mechListMIC alone.
type Channel struct {
	signKey Key
	cipher  *rc4.Cipher
	keyExch bool
	seq     uint32
}

// SignatureLen is the size of an NTLMSSP_MESSAGE_SIGNATURE.
const SignatureLen = 16

// NewChannel starts one direction with the flags of the AUTHENTICATE_MESSAGE
// and the exported session key.
func NewChannel(f Flags, exported [16]byte, d Direction) (*Channel, error) {
	if !f.Has(NegotiateExtendedSessionSecurity) {
		return nil, errors.New("ntlm: signing without extended session security")
	}
	sealKey := SealKey(f, exported, d)
	return &Channel{
		signKey: SignKey(exported, d),
		cipher:  newRC4(sealKey[:]),
		keyExch: f.Has(NegotiateKeyExch),
	}, nil
}

// Sign returns the signature of the next message, [MS-NLMP] 3.4.2.
func (c *Channel) Sign(message []byte) [SignatureLen]byte {
	return c.encryptChecksum(c.checksum(message))
}

// Verify checks the signature of the next message.
func (c *Channel) Verify(message, signature []byte) error {
	want := c.Sign(message)
	if !hmac.Equal(want[:], signature) {
		return ErrSignature
	}
	return nil
}

// Seal encrypts the next message and signs its clear text, [MS-NLMP] 3.4.3.
func (c *Channel) Seal(message []byte) (sealed []byte, signature [SignatureLen]byte) {
	sum := c.checksum(message)
	sealed = make([]byte, len(message))
	c.cipher.XORKeyStream(sealed, message)
	return sealed, c.encryptChecksum(sum)
}

// Unseal decrypts the next message and checks its signature.
func (c *Channel) Unseal(sealed, signature []byte) ([]byte, error) {
	message := make([]byte, len(sealed))
	c.cipher.XORKeyStream(message, sealed)
	if err := c.Verify(message, signature); err != nil {
		return nil, err
	}
	return message, nil
}

// checksum is the part of the signature that depends on the message,
// [MS-NLMP] 3.4.4.2.
func (c *Channel) checksum(message []byte) [8]byte {
	var seq [4]byte
	binary.LittleEndian.PutUint32(seq[:], c.seq)
	sum := hmacMD5(c.signKey, seq[:], message)
	return [8]byte(sum[:8])
}

// encryptChecksum finishes the signature and steps the sequence number.
func (c *Channel) encryptChecksum(sum [8]byte) [SignatureLen]byte {
	if c.keyExch {
		c.cipher.XORKeyStream(sum[:], sum[:])
	}
	var out [SignatureLen]byte
	out[0] = 1 // version of the signature
	copy(out[4:], sum[:])
	binary.LittleEndian.PutUint32(out[12:], c.seq)
	c.seq++
	return out
}
