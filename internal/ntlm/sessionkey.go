package ntlm

import (
	"crypto/rc4"
)

// KeyExchangeKey is the session base key itself, for NTLMv2,
// [MS-NLMP] 3.4.5.1. It is here so that callers can name it.
func KeyExchangeKey(sessionBaseKey [16]byte) Key { return sessionBaseKey }

// WrapSessionKey encrypts the client's random session key under the key
// exchange key, [MS-NLMP] 3.1.5.1.2; UnwrapSessionKey is its inverse.
func WrapSessionKey(keyExchangeKey, exported [16]byte) [16]byte {
	return rc4k(keyExchangeKey, exported)
}

// UnwrapSessionKey decrypts the EncryptedRandomSessionKey of an
// AUTHENTICATE_MESSAGE, [MS-NLMP] 3.2.5.1.2.
func UnwrapSessionKey(keyExchangeKey, encrypted [16]byte) Key {
	return rc4k(keyExchangeKey, encrypted)
}

// rc4k is the RC4K of [MS-NLMP] section 6 for one block of sixteen bytes.
func rc4k(key, in [16]byte) [16]byte {
	var out [16]byte
	newRC4(key[:]).XORKeyStream(out[:], in[:])
	return out
}

func newRC4(key []byte) *rc4.Cipher {
	c, err := rc4.NewCipher(key)
	if err != nil {
		panic("ntlm: RC4 refuses a key of 16 bytes: " + err.Error())
	}
	return c
}

// exchangesKey reports whether the flags make the client choose the session
// key, [MS-NLMP] 3.1.5.1.2: a key exchange without anything to sign is none.
func exchangesKey(f Flags) bool {
	return f.Has(NegotiateKeyExch) && f&(NegotiateSign|NegotiateSeal) != 0
}

// ExportedSessionKey returns the key that both sides hold after the exchange,
// [MS-NLMP] 3.2.5.1.2, given the session base key that the password, or the
// controller's answer, yields.
func (m *Authenticate) ExportedSessionKey(sessionBaseKey [16]byte) (Key, error) {
	kxKey := KeyExchangeKey(sessionBaseKey)
	if !exchangesKey(m.Flags) {
		return kxKey, nil
	}
	if len(m.EncryptedSessionKey) != 16 {
		return Key{}, malformed("EncryptedRandomSessionKey", authenticateKeyAt, "%d bytes where 16 are due", len(m.EncryptedSessionKey))
	}
	return UnwrapSessionKey(kxKey, [16]byte(m.EncryptedSessionKey)), nil
}
