package netlogon

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// sessionKey is made of the NT hash of the machine's password and both challenges,
// [MS-NRPC] 3.1.4.3.1.
func sessionKey(hash ntlm.Key, client, server [8]byte) ntlm.Key {
	return ntlm.Key(mac(hash[:], client[:], server[:])[:16])
}

// credential is what proves knowledge of the session key, [MS-NRPC] 3.1.4.4.1.
func credential(key ntlm.Key, input [8]byte) [8]byte {
	newStream(key, nil).encrypt(input[:])
	return input
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// stream is AES-128 in 8-bit cipher feedback, NIST SP 800-38A 6.3, which the
// standard library does not have.
type stream struct {
	block    cipher.Block
	register [aes.BlockSize]byte
	out      [aes.BlockSize]byte // here, because what a cipher.Block writes to is allocated
}

// newStream begins one. The initialization vector is half twice; all zero where
// half is nil.
func newStream(key ntlm.Key, half []byte) *stream {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("netlogon: AES refuses a key of 16 bytes: " + err.Error())
	}
	s := &stream{block: block}
	copy(s.register[:], half)
	copy(s.register[len(half):], half)
	return s
}

// encrypt encrypts in place and goes on where the last call ended.
func (s *stream) encrypt(data []byte) {
	for i := range data {
		data[i] ^= s.next()
		s.shift(data[i])
	}
}

// decrypt is its inverse.
func (s *stream) decrypt(data []byte) {
	for i, sealed := range data {
		data[i] ^= s.next()
		s.shift(sealed)
	}
}

func (s *stream) next() byte {
	s.block.Encrypt(s.out[:], s.register[:])
	return s.out[0]
}

func (s *stream) shift(sealed byte) {
	copy(s.register[:], s.register[1:])
	s.register[aes.BlockSize-1] = sealed
}
