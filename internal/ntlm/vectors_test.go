package ntlm

import (
	"bytes"
	"crypto/des"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"

	//lint:ignore SA1019 [MS-NLMP] is made of it
	"golang.org/x/crypto/md4" //nolint:staticcheck // as above
)

// desLong is the DESL of [MS-NLMP] section 6: the response of LM and NTLMv1.
// It lives in the tests, so that the product cannot make one.
func desLong(key [16]byte, data []byte) []byte {
	padded := append(key[:], 0, 0, 0, 0, 0)
	var out []byte
	for ; len(padded) > 0; padded = padded[7:] {
		out = append(out, desBlock(padded[:7], data)...)
	}
	return out
}

func desBlock(key7, data []byte) []byte {
	var key uint64
	for _, b := range key7 {
		key = key<<8 | uint64(b)
	}
	var key8 [8]byte
	for i := range key8 {
		key8[i] = byte(key>>(49-7*i)) << 1
	}
	c, err := des.NewCipher(key8[:])
	if err != nil {
		panic(err)
	}
	out := make([]byte, 8)
	c.Encrypt(out, data[:8])
	return out
}

// lmowfv1 is the LM hash, [MS-NLMP] 3.3.1.
func lmowfv1(password string) [16]byte {
	var p [14]byte
	copy(p[:], strings.ToUpper(password))
	magic := []byte("KGS!@#$%")
	return [16]byte(append(desBlock(p[:7], magic), desBlock(p[7:], magic)...))
}

func md4Sum(b []byte) [16]byte {
	h := md4.New()
	h.Write(b)
	return [16]byte(h.Sum(nil))
}

func TestSpecNTLMv1(t *testing.T) { // [MS-NLMP] 4.2.2
	nt := [16]byte(NTOWFv1(specPassword))
	lm := lmowfv1(specPassword)
	base := md4Sum(nt[:])
	ntResponse := desLong(nt, specServerChallenge[:])
	lmResponse := desLong(lm, specServerChallenge[:])
	wantHex(t, "LMOWFv1", lm[:], "e52cac67419a9a224a3b108f3fa6cb6d")
	wantHex(t, "NTOWFv1", nt[:], "a4f49c406510bdcab6824ee7c30fd852")
	wantHex(t, "session base key", base[:], "d87262b0cde4b1cb7499becccdf10784")
	wantHex(t, "NTLMv1 response", ntResponse, "67c43011f30298a2ad35ece64f16331c44bdbed927841f94")
	wantHex(t, "LMv1 response", lmResponse, "98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13")

	wrapped := WrapSessionKey(base, specSessionKey)
	wantHex(t, "encrypted session key", wrapped[:], "518822b1b3f350c8958682ecbb3e3cb7")
	nonNT := [16]byte(append(lm[:8:8], make([]byte, 8)...))
	wrapped = WrapSessionKey(nonNT, specSessionKey)
	wantHex(t, "encrypted session key, non-NT", wrapped[:], "7452ca55c225a1ca04b48fae32cf56fc")
	lmKey := append(desBlock(lm[:7], lmResponse),
		desBlock([]byte{lm[7], 0xbd, 0xbd, 0xbd, 0xbd, 0xbd, 0xbd}, lmResponse)...)
	wrapped = WrapSessionKey([16]byte(lmKey), specSessionKey)
	wantHex(t, "encrypted session key, LM key", wrapped[:], "4cd7bb57d697ef9b549f02b8f9b37864")

	m := mustAuthenticate(t, specV1Authenticate)
	wantHex(t, "message's NT response", m.NTResponse, hex.EncodeToString(ntResponse))
	wantHex(t, "message's LM response", m.LMResponse, hex.EncodeToString(lmResponse))
	key := UnwrapSessionKey(base, [16]byte(m.EncryptedSessionKey))
	wantHex(t, "message's session key", key[:], strings.Repeat("55", 16))
}

func TestSpecNTLMv1WithClientChallenge(t *testing.T) { // [MS-NLMP] 4.2.3
	nt := [16]byte(NTOWFv1(specPassword))
	sum := md5.Sum(append(specServerChallenge[:], specClientChallenge[:]...))
	wantHex(t, "NTLM2 session response", desLong(nt, sum[:8]), "7537f803ae367128ca458204bde7caf81e97ed2683267232")
	base := md4Sum(nt[:])
	key := hmacMD5(base, specServerChallenge[:], specClientChallenge[:])
	wantHex(t, "key exchange key", key[:], "eb93429a8bd952f8b89c55b87f475edc")

	const flags = Flags(0x820a8233)
	seal, sign := SealKey(flags, key, ClientToServer), SignKey(key, ClientToServer)
	wantHex(t, "seal key", seal[:], "04dd7f014d8504d265a25cc86a3a7c06")
	wantHex(t, "sign key", sign[:], "60e799be5c72fc92922ae8ebe961fb8d")
	wantSealed(t, flags, key, "a02372f6530273f3aa1eb90190ce5200c99d", "01000000ff2aeb52f681793a00000000")
}

func TestSpecNTLMv2(t *testing.T) { // [MS-NLMP] 4.2.4
	hash := NTOWFv2(specUser, specDomain, NTOWFv1(specPassword))
	wantHex(t, "NTOWFv2", hash[:], "0c868a403bfd7a93a3001ef22ef02e3f")
	ch := mustChallenge(t, specV2Challenge)
	blob, err := clientBlob(0, specClientChallenge, ch.TargetInfo)
	if err != nil {
		t.Fatal(err)
	}
	wantHex(t, "temp", blob, specTemp)
	proof := NTProofStr(hash, specServerChallenge, blob)
	wantHex(t, "NTProofStr", proof[:], "68cd0ab851e51c96aabc927bebef6a1c")
	lm := LMv2Response(hash, specServerChallenge, specClientChallenge)
	wantHex(t, "LMv2 response", lm[:], "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa")
	base := SessionBaseKey(hash, proof)
	wantHex(t, "session base key", base[:], "8de40ccadbc14a82f15cb0ad0de95ca3")
	wrapped := WrapSessionKey(KeyExchangeKey(base), specSessionKey)
	wantHex(t, "encrypted session key", wrapped[:], "c5dad2544fc9799094ce1ce90bc9d03e")

	const flags = Flags(0xe28a8233)
	seal, sign := SealKey(flags, specSessionKey, ClientToServer), SignKey(specSessionKey, ClientToServer)
	wantHex(t, "seal key", seal[:], "59f600973cc4960a25480a7c196e4c58")
	wantHex(t, "sign key", sign[:], "4788dc861b4782f35d43fd98fe1a2d39")
	wantSealed(t, flags, specSessionKey, "54e50165bf1936dc996020c1811b0f06fb5f", "010000007fb38ec5c55d497600000000")
}

// wantSealed seals the text of the GSS_WrapEx examples and opens it again.
func wantSealed(t *testing.T, f Flags, key [16]byte, sealed, signature string) {
	t.Helper()
	plain := encodeUTF16("Plaintext")
	out, sig := mustChannel(t, f, key).Seal(plain)
	wantHex(t, "sealed", out, sealed)
	wantHex(t, "signature", sig[:], signature)
	back, err := mustChannel(t, f, key).Unseal(out, sig[:])
	if err != nil || !bytes.Equal(back, plain) {
		t.Errorf("unsealed: got %x, %v, want %x", back, err, plain)
	}
}

func mustChannel(t *testing.T, f Flags, key [16]byte) *Channel {
	t.Helper()
	c, err := NewChannel(f, key, ClientToServer)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSpecMessages(t *testing.T) {
	specVersion := &Version{Major: 6, Build: 6000, Revision: RevisionW2K3}
	for _, c := range []struct {
		name, msg string
		flags     Flags
		pairs     int
	}{
		{"4.2.2.3 CHALLENGE_MESSAGE", specV1Challenge, 0xe2028233, 0},
		{"4.2.3.3 CHALLENGE_MESSAGE", specESSChallenge, 0x820a8233, 0},
		{"4.2.4.3 CHALLENGE_MESSAGE", specV2Challenge, 0xe28a8233, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mustChallenge(t, c.msg)
			if m.TargetName != specServer || m.Flags != c.flags || m.ServerChallenge != specServerChallenge ||
				len(m.TargetInfo) != c.pairs || *m.Version != *specVersion {
				t.Errorf("got %+v", m)
			}
		})
	}
	for _, c := range []struct {
		name, msg string
		flags     Flags
		kind      ResponseKind
	}{
		{"4.2.2.3 AUTHENTICATE_MESSAGE", specV1Authenticate, 0xe2808235, ResponseNTLMv1},
		{"4.2.3.3 AUTHENTICATE_MESSAGE", specESSAuthenticate, 0x82088235, ResponseNTLM2Session},
		{"4.2.4.3 AUTHENTICATE_MESSAGE", specV2Authenticate, 0xe2888235, ResponseNTLMv2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mustAuthenticate(t, c.msg)
			if m.User != specUser || m.Domain != specDomain || m.Workstation != specWorkstation || m.Flags != c.flags || m.MIC != nil {
				t.Errorf("got %v", m)
			}
			if got := m.ResponseKind(); got != c.kind {
				t.Errorf("kind: got %v, want %v", got, c.kind)
			}
			if want := (Version{5, 1, 2600, RevisionW2K3}); *m.Version != want {
				t.Errorf("version: got %v, want %v", m.Version, want)
			}
		})
	}
}

func TestChromiumMIC(t *testing.T) {
	negotiate, challenge := unhex(t, chromiumNegotiate), unhex(t, specV2Challenge)
	m := mustAuthenticate(t, chromiumAuthenticate)
	r, err := m.V2()
	if err != nil {
		t.Fatal(err)
	}
	hash := NTOWFv2(m.User, m.Domain, NTOWFv1(specPassword))
	if got := NTProofStr(hash, specServerChallenge, r.ClientBlob()); got != r.NTProofStr {
		t.Errorf("NTProofStr: got %x, want %x", got, r.NTProofStr)
	}
	base := SessionBaseKey(hash, r.NTProofStr)
	if _, err := m.VerifyMIC(r, base, negotiate, challenge); err != nil {
		t.Errorf("MIC: got %v, want it to hold", err)
	}
	if name, _ := r.AVPairs.TargetName(); name != "HTTP/Server" {
		t.Errorf("target name: got %q, want HTTP/Server", name)
	}
	bindings, _ := r.AVPairs.ChannelBindings()
	wantHex(t, "channel bindings", bindings[:], "6586e99d81c2fc984e47172fd4dd0310")
	m.raw[len(m.raw)-1] ^= 1
	if _, err := m.VerifyMIC(r, base, negotiate, challenge); err != ErrMIC {
		t.Errorf("changed message: got %v, want ErrMIC", err)
	}
}
