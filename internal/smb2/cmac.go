package smb2

import (
	"crypto/aes"
	"crypto/cipher"
)

// cmac is AES-CMAC, RFC 4493 2.4, with a key of 16 bytes. Neither the standard
// library nor golang.org/x/crypto has it to use.
func cmac(key [16]byte, msg []byte) [16]byte {
	block := newAES(key)
	var sub [16]byte // K1, and K2 for a last block that is padded, RFC 4493 2.3
	block.Encrypt(sub[:], sub[:])
	double(&sub)
	var last [16]byte
	whole := max(0, (len(msg)-1)/16) * 16
	if n := copy(last[:], msg[whole:]); n < 16 {
		last[n] = 0x80
		double(&sub)
	}
	var mac [16]byte
	for at := 0; at < whole; at += 16 {
		xor(&mac, msg[at:])
		block.Encrypt(mac[:], mac[:])
	}
	xor(&mac, last[:])
	xor(&mac, sub[:])
	block.Encrypt(mac[:], mac[:])
	return mac
}

// double multiplies by x in the field of RFC 4493 2.3.
func double(b *[16]byte) {
	carry := b[0] >> 7
	for i := range 15 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[15] = b[15]<<1 ^ carry*0x87
}

func xor(mac *[16]byte, b []byte) {
	for i := range mac {
		mac[i] ^= b[i]
	}
}

func newAES(key [16]byte) cipher.Block {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("smb2: AES refuses a key of 16 bytes: " + err.Error())
	}
	return block
}
