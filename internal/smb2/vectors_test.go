package smb2

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(t testing.TB, s string) ntlm.Key { return ntlm.Key(unhex(t, s)) }

// TestCMAC: RFC 4493 4.
func TestCMAC(t *testing.T) {
	message := unhex(t, "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710")
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{"empty", 0, "bb1d6929e95937287fa37d129b756746"},
		{"one block", 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{"two and a half", 40, "dfa66747de9ae63030ca32611497c827"},
		{"four blocks", 64, "51f0bebf7e3b9d92fc49741779363cfe"},
	} {
		got := cmac(key(t, "2b7e151628aed2a6abf7158809cf4f3c"), message[:c.n])
		if hex.EncodeToString(got[:]) != c.want {
			t.Errorf("%s: got %x, want %s", c.name, got, c.want)
		}
	}
}

// The hash of Windows' log-on below, up to the client's last token.
const windowsPreauth = "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB7928622DDDAD522D97" +
	"51640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01"

// TestKeys: the examples that Microsoft published with "SMB 2 and SMB 3 security in
// Windows 10: the anatomy of signing and cryptographic keys".
func TestKeys(t *testing.T) {
	preauth := [64]byte(unhex(t, windowsPreauth))
	first, last := key(t, "7CD451825D0450D235424E44BA6E78CC"), key(t, "270E1BA896585EEB7AF3472D3B4C75A7")
	encrypt, decrypt := cipherKeys(last, preauth)
	for _, c := range []struct {
		name string
		got  ntlm.Key
		want string
	}{
		{"2.1 signs with the session key", signingKey(SMB210, first, preauth), "7CD451825D0450D235424E44BA6E78CC"},
		{"3.0 signing", signingKey(SMB300, first, preauth), "0B7E9C5CAC36C0F6EA9AB275298CEDCE"},
		{"3.0.2 signing", signingKey(SMB302, first, preauth), "0B7E9C5CAC36C0F6EA9AB275298CEDCE"},
		{"3.1.1 signing", signingKey(SMB311, last, preauth), "73FE7A9A77BEF0BDE49C650D8CCB5F76"},
		{"3.1.1 client to server", encrypt, "629BCBC54422A0F572B97F45989B6073"},
		{"3.1.1 server to client", decrypt, "E2AF0DCEFAC68DA71A0DFBD0D1350D74"},
	} {
		if want := key(t, c.want); c.got != want {
			t.Errorf("%s: got %x, want %x", c.name, [16]byte(c.got), [16]byte(want))
		}
	}
}

// windowsLogOn reads the messages of a log-on between Windows computers, from the
// same article.
func windowsLogOn(t testing.TB) [][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/windows/*.hex")
	if err != nil || len(paths) != 6 {
		t.Fatalf("got %d messages, %v, want 6", len(paths), err)
	}
	var messages [][]byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, unhex(t, string(text)))
	}
	return messages
}

// TestWindowsLogOn reads what a Windows server answered, and comes to its hash and
// signature.
func TestWindowsLogOn(t *testing.T) {
	messages := windowsLogOn(t)
	said, err := parseNegotiate(messages[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := said.check(&negotiateRequest{dialects: dialects}); err != nil {
		t.Fatal(err)
	}
	if said.dialect != SMB311 || said.signing != signAESCMAC || said.cipher != cipherAESGCM || said.maxRead != 8<<20 || len(said.token) != 320 {
		t.Errorf("got %+v", said)
	}
	c := new(conn)
	for i, m := range messages[:5] {
		c.hash(m)
		h, err := parseHeader(m)
		if err != nil || h.messageID != uint64(1+i/2) {
			t.Errorf("message %d: got id %d, %v", i, h.messageID, err)
		}
	}
	if want := unhex(t, windowsPreauth); !bytes.Equal(c.preauth[:], want) {
		t.Errorf("got hash %x, want %x", c.preauth, want)
	}
	challenge, err := parseSetup(messages[3])
	if err != nil || !bytes.Contains(challenge.token, []byte("NTLMSSP\x00\x02")) {
		t.Errorf("got %q, %v, want a Type 2", challenge.token, err)
	}
	h, err := parseHeader(messages[5])
	if err != nil || h.status != ntstatus.Success || h.sessionID != 0x100000000019 || h.flags != flagResponse|flagSigned {
		t.Errorf("got %+v, %v", h, err)
	}
	s := signer{signingKey(SMB311, key(t, "270E1BA896585EEB7AF3472D3B4C75A7"), c.preauth), signAESCMAC}
	if err := s.verify(messages[5]); err != nil {
		t.Error(err)
	}
	messages[5][70] ^= 1
	if err := s.verify(messages[5]); err != ErrSignature {
		t.Errorf("changed: got %v, want %v", err, ErrSignature)
	}
}

// TestGMAC: the nonce of [MS-SMB2] 3.1.4.1, message id and who sends it. Samba, in
// integration, is the witness that the whole is right.
func TestGMAC(t *testing.T) {
	request := (&header{command: Read, messageID: 0x0102030405060708}).marshal()
	answer := (&header{command: Read, messageID: 0x0102030405060708, flags: flagResponse}).marshal()
	k := key(t, "2b7e151628aed2a6abf7158809cf4f3c")
	for _, c := range []struct {
		name  string
		msg   []byte
		nonce string
	}{
		{"of a client", request, "0807060504030201 00000000"},
		{"of a server", answer, "0807060504030201 01000000"},
	} {
		want := newGCM(k).Seal(nil, unhex(t, c.nonce), nil, c.msg)
		if got := gmac(k, c.msg); !bytes.Equal(got[:], want) {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
		}
	}
}
