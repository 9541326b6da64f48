package ntlm

import (
	"crypto/hmac"
)

// MIC is the message integrity code over the three messages of an exchange,
// [MS-NLMP] 3.1.5.1.2 and 3.2.5.1.2. The MIC field of authenticate counts as
// zero, whatever it holds; the slice is not changed.
func MIC(exportedKey [16]byte, negotiate, challenge, authenticate []byte) [16]byte {
	if len(authenticate) < authenticateMIC {
		return hmacMD5(exportedKey, negotiate, challenge, authenticate)
	}
	var zero [16]byte
	return hmacMD5(exportedKey, negotiate, challenge,
		authenticate[:authenticateMICAt], zero[:], authenticate[authenticateMIC:])
}

// PromisesMIC reports whether the client's attributes say that the message
// carries a MIC, [MS-NLMP] 2.2.2.1. The proof covers the attributes, so nobody
// on the way can take the promise away.
func (r *NTLMv2Response) PromisesMIC() bool { return r.AVPairs.Flags()&AVFlagMIC != 0 }

// VerifyMIC checks the MIC of a parsed message where r promises one, and
// returns the exported session key. negotiate and challenge are the bytes of
// the exchange as they travelled. A promise not kept is ErrMIC.
//
// A client that negotiates a key exchange with nothing to sign, as browsers do,
// keys its MIC with the key exchange key by [MS-NLMP] 3.1.5.1.2; others have
// been seen to exchange a key all the same. Both keys come from the password,
// so either shows that the message is whole, and the one that fits is returned.
func (m *Authenticate) VerifyMIC(r *NTLMv2Response, sessionBaseKey [16]byte, negotiate, challenge []byte) (Key, error) {
	key, err := m.ExportedSessionKey(sessionBaseKey)
	if err != nil || !r.PromisesMIC() {
		return key, err
	}
	if m.MIC == nil {
		return Key{}, ErrMIC
	}
	if m.hasMIC(key, negotiate, challenge) {
		return key, nil
	}
	if m.Flags.Has(NegotiateKeyExch) && !exchangesKey(m.Flags) && len(m.EncryptedSessionKey) == 16 {
		key = UnwrapSessionKey(KeyExchangeKey(sessionBaseKey), [16]byte(m.EncryptedSessionKey))
		if m.hasMIC(key, negotiate, challenge) {
			return key, nil
		}
	}
	return Key{}, ErrMIC
}

func (m *Authenticate) hasMIC(key [16]byte, negotiate, challenge []byte) bool {
	want := MIC(key, negotiate, challenge, m.raw)
	return hmac.Equal(want[:], m.MIC[:])
}
