package ntlm

import (
	"crypto/hmac"
	"crypto/md5"
	"hash"
	"unicode"

	//lint:ignore SA1019 the NT hash is MD4, whatever its worth
	"golang.org/x/crypto/md4" //nolint:staticcheck // as above
)

// NTOWFv1 is the NT hash: what a domain controller keeps instead of the
// password, [MS-NLMP] 3.3.1. It is as good as the password.
func NTOWFv1(password string) Key {
	h := md4.New()
	h.Write(encodeUTF16(password))
	return Key(h.Sum(nil))
}

// NTOWFv2 binds an NT hash to the account, [MS-NLMP] 3.3.2. The user's case
// does not matter; the domain's does, and is the client's own spelling.
func NTOWFv2(user, domain string, nt [16]byte) Key {
	name := make([]byte, 0, 2*(len(user)+len(domain)))
	for _, r := range user {
		name = appendRune(name, upcase(r))
	}
	return hmacMD5(nt, appendUTF16(name, domain))
}

// upcase maps one character to one, as Windows does for names by the table of
// [MS-UCODEREF] 3.1.5.3. That table is near to Unicode's simple mapping. It
// leaves alone the dotless i and the long s, which would turn into ASCII
// letters, whatever lies beyond the Basic Multilingual Plane, and the scripts
// that got an upper case later. A letter where we differ costs a right password
// its acceptance, and never grants a wrong one.
func upcase(r rune) rune {
	switch {
	case r == 'ı' || r == 'ſ' || r > 0xFFFF:
		return r
	case unicode.In(r, unicode.Georgian, unicode.Cherokee) && r < 0x1C80 || r >= 0xAB70 && r <= 0xABBF:
		return r
	}
	return unicode.ToUpper(r)
}

func hmacMD5(key [16]byte, parts ...[]byte) [16]byte {
	h := hmac.New(md5.New, key[:])
	return sum16(h, parts...)
}

func sum16(h hash.Hash, parts ...[]byte) [16]byte {
	for _, p := range parts {
		h.Write(p)
	}
	var out [16]byte
	h.Sum(out[:0])
	return out
}
