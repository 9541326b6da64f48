package smb2

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// deriveKey is the KDF of [MS-SMB2] 3.1.4.2: counter mode of SP 800-108 with
// HMAC-SHA256, one round, 128 bits. label and context have their closing zero.
func deriveKey(session ntlm.Key, label, context string) ntlm.Key {
	const round, bits = 1, 128
	h := hmac.New(sha256.New, session[:])
	h.Write(binary.BigEndian.AppendUint32(nil, round))
	h.Write([]byte(label + "\x00" + context))
	h.Write(binary.BigEndian.AppendUint32(nil, bits))
	return ntlm.Key(h.Sum(nil)[:16])
}

// signingKey is Session.SigningKey, [MS-SMB2] 3.2.5.3.1. preauth is the hash of
// all messages up to the client's last token.
func signingKey(d Dialect, session ntlm.Key, preauth [64]byte) ntlm.Key {
	switch {
	case d < SMB300:
		return session
	case d < SMB311:
		return deriveKey(session, "SMB2AESCMAC\x00", "SmbSign\x00")
	default:
		return deriveKey(session, "SMBSigningKey\x00", string(preauth[:]))
	}
}

// cipherKeys are the keys of both directions in dialect 3.1.1,
// [MS-SMB2] 3.2.5.3.1: Session.EncryptionKey and Session.DecryptionKey.
func cipherKeys(session ntlm.Key, preauth [64]byte) (encrypt, decrypt ntlm.Key) {
	return deriveKey(session, "SMBC2SCipherKey\x00", string(preauth[:])),
		deriveKey(session, "SMBS2CCipherKey\x00", string(preauth[:]))
}
