package smb2

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// signingAlgorithm is an id of SMB2_SIGNING_CAPABILITIES, [MS-SMB2] 2.2.3.1.7.
type signingAlgorithm uint16

const (
	signHMACSHA256 signingAlgorithm = 0
	signAESCMAC    signingAlgorithm = 1
	signAESGMAC    signingAlgorithm = 2
)

// signer signs requests and checks answers, [MS-SMB2] 3.1.4.1 and 3.1.5.1.
type signer struct {
	key       ntlm.Key
	algorithm signingAlgorithm
}

// sum is the signature of a whole message; its signature field counts as zero.
func (s *signer) sum(msg []byte) [signatureLen]byte {
	blank := append([]byte(nil), msg...)
	clear(blank[signatureAt:headerLen])
	switch s.algorithm {
	case signAESCMAC:
		return cmac(s.key, blank)
	case signAESGMAC:
		return gmac(s.key, blank)
	default:
		h := hmac.New(sha256.New, s.key[:])
		h.Write(blank)
		return [signatureLen]byte(h.Sum(nil)[:signatureLen])
	}
}

// gmac is AES-GMAC over a message, under a nonce of its message id and of who
// sends it.
func gmac(key [16]byte, msg []byte) [16]byte {
	aead, err := cipher.NewGCM(newAES(key))
	if err != nil {
		panic("smb2: GCM refuses AES: " + err.Error())
	}
	nonce := make([]byte, aead.NonceSize())
	copy(nonce, msg[messageIDAt:messageIDAt+8])
	binary.LittleEndian.PutUint32(nonce[8:], binary.LittleEndian.Uint32(msg[flagsAt:])&flagResponse)
	return [16]byte(aead.Seal(nil, nonce, nil, msg))
}

// sign puts flag and signature into a request.
func (s *signer) sign(msg []byte) {
	binary.LittleEndian.PutUint32(msg[flagsAt:], binary.LittleEndian.Uint32(msg[flagsAt:])|flagSigned)
	sum := s.sum(msg)
	copy(msg[signatureAt:], sum[:])
}

// verify checks an answer, whose header has been read.
func (s *signer) verify(msg []byte) error {
	if binary.LittleEndian.Uint32(msg[flagsAt:])&flagSigned == 0 {
		return ErrUnsigned
	}
	if sum := s.sum(msg); !hmac.Equal(sum[:], msg[signatureAt:headerLen]) {
		return ErrSignature
	}
	return nil
}
