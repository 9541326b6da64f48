package smb2

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// The layout of an SMB2 TRANSFORM_HEADER, [MS-SMB2] 2.2.41.
const (
	transformLen   = 52
	transformTagAt = 4
	transformAADAt = 20 // the nonce and all behind it are authenticated
	transformSize  = 36 // where OriginalMessageSize is
	gcmNonceLen    = 12 // of the field's 16

	transformEncrypted = 0x0001 // Flags of dialect 3.1.1
)

// sealer encrypts the messages of a session with AES-128-GCM,
// [MS-SMB2] 3.1.4.3. Encryption stands for signing: nothing inside is signed.
type sealer struct {
	out, in cipher.AEAD
	sent    uint64 // how many; the nonce
	salt    [gcmNonceLen - 8]byte
}

func newSealer(encrypt, decrypt ntlm.Key) *sealer {
	s := &sealer{out: newGCM(encrypt), in: newGCM(decrypt)}
	_, _ = rand.Read(s.salt[:])
	return s
}

func newGCM(key [16]byte) cipher.AEAD {
	aead, err := cipher.NewGCM(newAES(key))
	if err != nil {
		panic("smb2: GCM refuses AES: " + err.Error())
	}
	return aead
}

// seal wraps a request. A nonce never comes twice: the keys are one connection's.
func (s *sealer) seal(msg []byte, session uint64) []byte {
	b := make([]byte, transformLen, transformLen+len(msg)+s.out.Overhead())
	copy(b, protocolTransform)
	binary.LittleEndian.PutUint64(b[transformAADAt:], s.sent)
	copy(b[transformAADAt+8:], s.salt[:])
	s.sent++
	binary.LittleEndian.PutUint32(b[transformSize:], uint32(len(msg)))
	binary.LittleEndian.PutUint16(b[42:], transformEncrypted)
	binary.LittleEndian.PutUint64(b[44:], session)
	nonce := b[transformAADAt : transformAADAt+gcmNonceLen]
	sealed := s.out.Seal(nil, nonce, msg, b[transformAADAt:])
	tag := len(sealed) - s.out.Overhead()
	copy(b[transformTagAt:], sealed[tag:])
	return append(b, sealed[:tag]...)
}

// open unwraps an answer, [MS-SMB2] 3.2.5.1.1.1. Once a session is encrypted,
// nothing in the clear is taken.
func (s *sealer) open(msg []byte, session uint64) ([]byte, error) {
	const name = "TRANSFORM_HEADER"
	switch {
	case len(msg) < 4 || string(msg[:4]) != protocolTransform:
		return nil, malformed(name, "ProtocolId", "an answer that is not encrypted, in a session that is")
	case len(msg) < transformLen:
		return nil, malformed(name, "ProtocolId", "%d bytes of %d", len(msg), transformLen)
	case binary.LittleEndian.Uint16(msg[42:]) != transformEncrypted:
		return nil, malformed(name, "Flags", "not encrypted")
	case binary.LittleEndian.Uint64(msg[44:]) != session:
		return nil, malformed(name, "SessionId", "another session's answer")
	case int64(binary.LittleEndian.Uint32(msg[transformSize:])) != int64(len(msg)-transformLen):
		return nil, malformed(name, "OriginalMessageSize", "not that of the message")
	}
	sealed := append([]byte(nil), msg[transformLen:]...)
	sealed = append(sealed, msg[transformTagAt:transformAADAt]...)
	nonce := msg[transformAADAt : transformAADAt+gcmNonceLen]
	plain, err := s.in.Open(nil, nonce, sealed, msg[transformAADAt:transformLen])
	if err != nil {
		return nil, ErrSignature
	}
	return plain, nil
}
