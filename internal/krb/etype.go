package krb

import (
	"crypto/hmac"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Enctypes, RFC 3961 8, RFC 3962 7, RFC 8009 4 and RFC 4757 1.
const (
	etypeAES128SHA1 = 17
	etypeAES256SHA1 = 18
	etypeAES128SHA2 = 19
	etypeAES256SHA2 = 20
	etypeRC4        = 23
)

// Enctypes that an account of Active Directory may have.
const (
	AES128 int32 = etypeAES128SHA1
	AES256 int32 = etypeAES256SHA1
	RC4    int32 = etypeRC4
)

// Etype is the usual name of an enctype.
func Etype(id int32) string {
	switch id {
	case etypeAES128SHA1:
		return "aes128-cts-hmac-sha1-96"
	case etypeAES256SHA1:
		return "aes256-cts-hmac-sha1-96"
	case etypeAES128SHA2:
		return "aes128-cts-hmac-sha256-128"
	case etypeAES256SHA2:
		return "aes256-cts-hmac-sha384-192"
	case etypeRC4:
		return "rc4-hmac"
	case 1, 2, 3:
		return "des"
	case 5, 7, 16:
		return "des3"
	}
	return "unknown"
}

// checksumOf is the type of checksum that goes with an enctype's keys, RFC 3961
// 6.2 and [MS-PAC] 2.8.1.
var checksumOf = map[int32]int32{etypeAES128SHA1: 15, etypeAES256SHA1: 16, etypeAES128SHA2: 19, etypeAES256SHA2: 20, etypeRC4: -138}

// Key usages, RFC 4120 7.5.1, RFC 4121 2 and [MS-PAC] 2.8.1.
const (
	usageTicket        = 2
	usageAuthenticator = 11
	usageAPRep         = 12
	usagePAC           = 17
	usageAcceptorSign  = 23
	usageInitiatorSign = 25
)

// open decrypts what was encrypted under a key, of any length, and checks its
// integrity. RC4 is the library's, which cuts a checksum off unasked.
func open(sealed types.EncryptedData, key types.EncryptionKey, usage uint32) (plain []byte, err error) {
	if p, ok := profiles[key.KeyType]; ok {
		return p.open(key.KeyValue, sealed.Cipher, usage)
	}
	defer func() {
		if recover() != nil {
			plain, err = nil, errSealed
		}
	}()
	return crypto.DecryptEncPart(sealed, key, usage)
}

// seal encrypts a message under a key.
func seal(message []byte, key types.EncryptionKey, usage uint32) (types.EncryptedData, error) {
	p, ok := profiles[key.KeyType]
	if !ok {
		return crypto.GetEncryptedData(message, key, usage, 0)
	}
	cipher, err := p.seal(key.KeyValue, message, usage)
	return types.EncryptedData{EType: key.KeyType, Cipher: cipher}, err
}

// checksum is a keyed checksum over a message.
func checksum(key types.EncryptionKey, message []byte, usage uint32) ([]byte, error) {
	if p, ok := profiles[key.KeyType]; ok {
		return p.sumOver(key.KeyValue, usage, purposeChecksum, message)
	}
	etype, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	return etype.GetChecksumHash(key.KeyValue, message, usage)
}

// hasChecksum compares in constant time.
func hasChecksum(key types.EncryptionKey, message, sum []byte, usage uint32) bool {
	want, err := checksum(key, message, usage)
	return err == nil && len(want) > 0 && hmac.Equal(want, sum)
}
