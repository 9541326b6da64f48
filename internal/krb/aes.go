package krb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 3962 has it
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
)

// The four enctypes of AES: RFC 3961 5.3 with the parameters of RFC 3962 6, and RFC
// 8009. The library has them too. It folds, derives and copies for each message anew,
// which was most of what a ticket cost.

// profile is what the enctypes differ in; lengths are in bytes.
type profile struct {
	hash           func() hash.Hash
	encrypting     int // of Ke
	authenticating int // of Ki and Kc
	sum            int // of a checksum
	sha2           bool
}

var profiles = map[int32]profile{
	etypeAES128SHA1: {sha1.New, 16, 16, 12, false},
	etypeAES256SHA1: {sha1.New, 32, 32, 12, false},
	etypeAES128SHA2: {sha256.New, 16, 16, 16, true},
	etypeAES256SHA2: {sha512.New384, 32, 24, 24, true},
}

// Purposes of derived keys, RFC 3961 5.3.
const (
	purposeChecksum  = 0x99
	purposeEncrypt   = 0xaa
	purposeIntegrity = 0x55
)

var errSealed = errors.New("too short, or changed, or of another key")

// derive makes a key of n bytes for a usage and a purpose.
func (p *profile) derive(key []byte, usage uint32, purpose byte, n int) ([]byte, error) {
	constant := append(binary.BigEndian.AppendUint32(nil, usage), purpose)
	if p.sha2 { // KDF-HMAC-SHA2, RFC 8009 3
		mac := hmac.New(p.hash, key)
		mac.Write([]byte{0, 0, 0, 1})
		mac.Write(constant)
		mac.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(8*n)))
		return mac.Sum(nil)[:n], nil
	}
	block, err := aes.NewCipher(key) // DR, RFC 3961 5.1
	if err != nil {
		return nil, err
	}
	derived := make([]byte, n)
	last := nFold(constant, aes.BlockSize)
	for at := 0; at < n; at += aes.BlockSize {
		block.Encrypt(derived[at:], last)
		last = derived[at : at+aes.BlockSize]
	}
	return derived, nil
}

// sumOver is the keyed checksum of messages that stand one behind the other.
func (p *profile) sumOver(key []byte, usage uint32, purpose byte, messages ...[]byte) ([]byte, error) {
	k, err := p.derive(key, usage, purpose, p.authenticating)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(p.hash, k)
	for _, m := range messages {
		mac.Write(m)
	}
	return mac.Sum(nil)[:p.sum], nil
}

// tag is the checksum that a sealed message ends with: over the plaintext in RFC
// 3961, over the initial vector and the ciphertext in RFC 8009.
func (p *profile) tag(key []byte, usage uint32, plain, crypt []byte) ([]byte, error) {
	if p.sha2 {
		return p.sumOver(key, usage, purposeIntegrity, make([]byte, aes.BlockSize), crypt)
	}
	return p.sumOver(key, usage, purposeIntegrity, plain)
}

// open decrypts a message of any length and checks its integrity.
func (p *profile) open(key, sealed []byte, usage uint32) ([]byte, error) {
	if len(sealed) < aes.BlockSize+p.sum {
		return nil, errSealed
	}
	block, err := p.cipher(key, usage)
	if err != nil {
		return nil, err
	}
	crypt, tag := sealed[:len(sealed)-p.sum], sealed[len(sealed)-p.sum:]
	plain := decryptCTS(block, crypt)
	want, err := p.tag(key, usage, plain, crypt)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(want, tag) {
		return nil, errSealed
	}
	return plain[aes.BlockSize:], nil // a block of noise was before it
}

// seal encrypts a message.
func (p *profile) seal(key, message []byte, usage uint32) ([]byte, error) {
	block, err := p.cipher(key, usage)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, aes.BlockSize+len(message))
	_, _ = rand.Read(plain[:aes.BlockSize]) // never fails: crypto/rand ends the program instead
	copy(plain[aes.BlockSize:], message)
	crypt := encryptCTS(block, plain)
	tag, err := p.tag(key, usage, plain, crypt)
	if err != nil {
		return nil, err
	}
	return append(crypt, tag...), nil
}

func (p *profile) cipher(key []byte, usage uint32) (cipher.Block, error) {
	k, err := p.derive(key, usage, purposeEncrypt, p.encrypting)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(k)
}

// encryptCTS is CBC with ciphertext stealing and an initial vector of zeros, RFC
// 3962 5: the last two blocks are swapped, and the last is cut. There is a block at
// least.
func encryptCTS(block cipher.Block, plain []byte) []byte {
	const size = aes.BlockSize
	crypt := make([]byte, (len(plain)+size-1)/size*size, len(plain)+2*size+32) // a checksum follows
	copy(crypt, plain)
	cipher.NewCBCEncrypter(block, make([]byte, size)).CryptBlocks(crypt, crypt)
	if end := len(crypt); end > size {
		var last [size]byte
		copy(last[:], crypt[end-size:])
		copy(crypt[end-size:], crypt[end-2*size:end-size])
		copy(crypt[end-2*size:], last[:])
	}
	return crypt[:len(plain)]
}

// decryptCTS undoes it. There is a block at least.
func decryptCTS(block cipher.Block, crypt []byte) []byte {
	const size = aes.BlockSize
	plain := make([]byte, len(crypt))
	if len(crypt) == size {
		block.Decrypt(plain, crypt)
		return plain
	}
	tail := (len(crypt)-1)%size + 1 // bytes of what is last
	body := len(crypt) - size - tail
	vector := make([]byte, size)
	cipher.NewCBCDecrypter(block, vector).CryptBlocks(plain[:body], crypt[:body])
	if body > 0 {
		vector = crypt[body-size : body]
	}
	var whole [size]byte // the last block before it was cut, under what was stolen of it
	block.Decrypt(whole[:], crypt[body:body+size])
	subtle.XORBytes(plain[body+size:], whole[:tail], crypt[body+size:])
	copy(whole[:], crypt[body+size:])
	block.Decrypt(plain[body:body+size], whole[:])
	subtle.XORBytes(plain[body:body+size], plain[body:body+size], vector)
	return plain
}

// nFold stretches bytes to n, RFC 3961 5.1: copies of them, each turned by 13 bits
// more to the right, are cut into pieces of n bytes and added in ones' complement.
func nFold(in []byte, n int) []byte {
	bits := 8 * len(in)
	length := len(in) // of all copies: the least common multiple
	for length%n != 0 {
		length += len(in)
	}
	sums := make([]int, n)
	for at := range length {
		from := (8*(at%len(in)) - 13*(at/len(in))) % bits
		if from < 0 {
			from += bits
		}
		two := int(in[from/8])<<8 | int(in[(from/8+1)%len(in)])
		sums[at%n] += two >> (8 - from%8) & 0xff
	}
	out := make([]byte, n)
	for carry, round := 0, 0; round == 0 || carry > 0; round++ {
		for i := n - 1; i >= 0; i-- {
			sum := sums[i] + carry
			out[i], sums[i], carry = byte(sum), sum&0xff, sum>>8
		}
	}
	return out
}
