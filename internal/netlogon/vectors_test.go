package netlogon

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestStream holds the cipher to NIST SP 800-38A F.3.7, one byte at a time and all
// at once.
func TestStream(t *testing.T) {
	plain, want := unhex("6bc1bee22e409f96e93d7e117393172aae2d"), unhex("3b79424c9c0dd436bace9e0ed4586a4f32b9")
	key := ntlm.Key(unhex("2b7e151628aed2a6abf7158809cf4f3c"))
	for _, chunk := range []int{1, 5, len(plain)} {
		up, down := newStream(key, nil), newStream(key, nil)
		for i := range up.register {
			up.register[i], down.register[i] = byte(i), byte(i)
		}
		got := bytes.Clone(plain)
		for part := range slices.Chunk(got, chunk) {
			up.encrypt(part)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("in parts of %d: got %x, want %x", chunk, got, want)
		}
		for part := range slices.Chunk(got, chunk) {
			down.decrypt(part)
		}
		if !bytes.Equal(got, plain) {
			t.Errorf("back in parts of %d: got %x, want %x", chunk, got, plain)
		}
	}
}

// TestSessionKey: key and credentials as OpenSSL makes them (openssl dgst -sha256
// -mac HMAC, openssl enc -aes-128-cfb8) of the NT hash of "password".
func TestSessionKey(t *testing.T) {
	client, server := [8]byte(unhex("1122334455667788")), [8]byte(unhex("a1b2c3d4e5f60718"))
	key := sessionKey(ntlm.NTOWFv1("password"), client, server)
	if got := hex.EncodeToString(key[:]); got != "c4c74535bc9991e3eb96899c7bb928f2" {
		t.Errorf("got the key %s", got)
	}
	for _, c := range []struct {
		challenge [8]byte
		want      string
	}{{client, "94c501172cdf771d"}, {server, "2474b15ea607a774"}} {
		if got := credential(key, c.challenge); hex.EncodeToString(got[:]) != c.want {
			t.Errorf("got the credential %x, want %s", got, c.want)
		}
	}
}

// Samba's own test of its sealing, libcli/auth/tests/test_schannel.c: the key, the
// confounder and the message of a client's first call, and what becomes of both.
const (
	sambaKey        = "8ee8278583413c8dc95470758ec96991"
	sambaConfounder = "6e09259401a00931"
	sambaPlain      = "0100000000000200010000000400020001000000010100000000000100000000000000000000000001000000000000000000000000000000" +
		"8ae3137102f436710100040001000000024028007857341234 12cdabef00012345 6789ab00000000045d888aeb1cc9119fe808002b10486002000000 0000000000000000 00000000"
	sambaSealedConfounder = "cafbacfba826752a"
	sambaSealed           = "e2e5e32645fbfcf39c14dde13923e055ed8ff492a1bddc40586fd25bf9c9a387464b7fb203d235223e709f1e3f1fdb7d79885a3dd3401e69" +
		"d7e21d5ae93be1e298fdcb3af7b51cf8ca0200999f0c01e6d200afe051886250b7e86d634b9705c1d483962980aed8a2edc95d0d29ff2c2302fa3beee8ba060195df80760b170ed8"
)

func TestSeal(t *testing.T) {
	for _, size := range []int{0, 1, 3, 7, 8, 9, 15, 16, 17, 128} {
		s := newSealer(ntlm.Key(unhex(sambaKey)), bytes.NewReader(unhex(sambaConfounder)))
		sealed, signature, err := s.Seal(unhex(sambaPlain)[:size], dcerpc.Around{})
		if err != nil {
			t.Fatal(err)
		}
		if want := unhex(sambaSealed)[:size]; !bytes.Equal(sealed, want) {
			t.Errorf("%d bytes: got %x, want %x", size, sealed, want)
		}
		if got := hex.EncodeToString(signature[confounderAt:signatureEnd]); got != sambaSealedConfounder {
			t.Errorf("%d bytes: got the confounder %s, want %s", size, got, sambaSealedConfounder)
		}
		if got := hex.EncodeToString(signature[:8]); len(signature) != s.SignatureLen() || got != "13001a00ffff0000" {
			t.Errorf("%d bytes: got %d bytes of signature, which begins %s", size, len(signature), got)
		}
	}
}

// TestUnsealHead: a signature of other algorithms is refused though it is made with
// the right key.
func TestUnsealHead(t *testing.T) {
	key := ntlm.Key(unhex(sambaKey))
	for name, c := range map[string]struct {
		at    int
		value byte
		want  error
	}{
		"as it should be": {0, 0x13, nil},
		"flags":           {6, 1, nil},
		"HMAC-MD5":        {0, 0x77, ErrSignature},
		"second byte":     {1, 1, ErrSignature},
		"RC4":             {2, 0x7A, ErrSignature},
		"not encrypted":   {3, 0xFF, ErrSignature},
		"pad":             {4, 0, ErrSignature},
	} {
		s, number := newSealer(key, nil), make([]byte, 8)
		signature, plain := make([]byte, signatureLen), []byte("an answer")
		copy(signature, signatureHead[:])
		signature[c.at] = c.value
		copy(signature[confounderAt:], "confound")
		copy(signature[checksumAt:], s.checksum(signature[:8], signature[confounderAt:signatureEnd], plain, dcerpc.Around{}))
		data := newStream(s.sealing, number)
		data.encrypt(signature[confounderAt:signatureEnd])
		data.encrypt(plain)
		newStream(key, signature[checksumAt:confounderAt]).encrypt(number)
		copy(signature[sequenceAt:], number)
		if got, err := s.Unseal(plain, dcerpc.Around{}, signature); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err == nil && string(got) != "an answer" {
			t.Errorf("%s: got %q, %v, want %v", name, got, err, c.want)
		}
	}
}

// TestUnsealLength: a signature that is too short or too long is none.
func TestUnsealLength(t *testing.T) {
	key := ntlm.Key(unhex(sambaKey))
	plain := []byte("an answer")
	signature := append((&peer{sealer: newSealer(key, nil)}).seal(plain, dcerpc.Around{}), 0)
	for _, n := range []int{0, 8, confounderAt, signatureEnd - 1, signatureLen + 1} {
		if got, err := newSealer(key, nil).Unseal(bytes.Clone(plain), dcerpc.Around{}, signature[:n]); !errors.Is(err, ErrSignature) {
			t.Errorf("%d bytes: got %q, %v, want %v", n, got, err, ErrSignature)
		}
	}
}

// TestToken: [MS-NRPC] 3.3.4.1.1 shows one with more names; the two that we send
// stand first in it, as here.
func TestToken(t *testing.T) {
	token, err := (&provider{domain: "NTDEV", computer: "NASKO"}).Token()
	if want := unhex("00000000 03000000 4e5444455600 4e41534b4f00"); err != nil || !bytes.Equal(token, want) {
		t.Errorf("got %x, %v, want %x", token, err, want)
	}
}

// TestRequests: each call is written as Samba writes it, and its answers are read.
func TestRequests(t *testing.T) {
	dc := new(controller)
	config := dc.config(t)
	config.Server = "DC1"
	stubs := make(map[uint16][]byte)
	dc.hear = func(opnum uint16, stub []byte) { stubs[opnum] = bytes.Clone(stub) }
	ch, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method
		random [][2]int // what is drawn or computed, from and to
	}{
		{reqChallenge, [][2]int{{52, 60}}},
		{authenticate3, [][2]int{{80, 88}}},
		{getCapabilities, [][2]int{{52, 64}}},
	} {
		got, want := stubs[c.opnum], bytes.Clone(recorded()[c.name].request)
		if len(got) != len(want) {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
			continue
		}
		for _, span := range c.random {
			copy(want[span[0]:span[1]], got[span[0]:span[1]])
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
		}
	}
	for _, level := range []uint16{2, 3, 6} {
		w, err := encodeLogon(ch.config, someone(), level)
		if err != nil {
			t.Fatal(err)
		}
		want := recorded()["NetrLogonSamLogonEx "+string('0'+rune(level))].request
		if got := w.Data(); !bytes.Equal(got, want) {
			t.Errorf("level %d: got %x, want %x", level, got, want)
		}
	}
}

// TestValidation reads what Samba writes.
func TestValidation(t *testing.T) {
	for _, level := range []uint16{2, 3, 6} {
		v, err := decodeLogon(ndr.NewReader(recorded()["NetrLogonSamLogonEx "+string('0'+rune(level))].answer), level)
		if err != nil {
			t.Fatalf("level %d: %v", level, err)
		}
		want := Validation{
			Level: int(level), EffectiveName: "müller", FullName: "Jörg Müller", LogonServer: "DC1", LogonDomainName: "EXAMPLE",
			LogonDomainID: v.LogonDomainID, UserID: 1106, PrimaryGroupID: 513,
			GroupIDs:  []GroupMembership{{513, 7}, {1120, 7}},
			UserFlags: 0x100, UserAccountControl: 0x210, UserSessionKey: ntlm.Key(unhex("000102030405060708090a0b0c0d0e0f")),
			LogonTime:         time.Date(2022, 6, 18, 4, 26, 40, 0, time.UTC),
			PasswordLastSet:   time.Date(2019, 4, 17, 18, 40, 0, 0, time.UTC),
			PasswordCanChange: time.Date(2019, 4, 18, 18, 40, 0, 0, time.UTC),
			LogonCount:        7, BadPasswordCount: 1,
			ExtraSIDs: v.ExtraSIDs,
		}
		groups := []string{"S-1-5-21-1111111111-2222222222-3333333333-513", "S-1-5-21-1111111111-2222222222-3333333333-1120"}
		if level > 2 {
			want.UserFlags = 0x120
			groups = append(groups, "S-1-18-1", "S-1-5-21-1111111111-2222222222-3333333333-1130")
		}
		if level == 6 {
			want.DNSLogonDomainName, want.UPN = "example.test", "müller@example.test"
		}
		if !reflect.DeepEqual(*v, want) {
			t.Errorf("level %d: got %s, want %s", level, dump(*v), dump(want))
		}
		var got []string
		for _, sid := range v.Groups() {
			got = append(got, sid.String())
		}
		if !slices.Equal(got, groups) || v.SID().String() != "S-1-5-21-1111111111-2222222222-3333333333-1106" {
			t.Errorf("level %d: got %v in %v, want %v", level, v.SID(), got, groups)
		}
	}
}

// dump prints all the fields, which Format does not.
func dump(v Validation) string {
	type plain Validation
	return fmt.Sprintf("%+v", plain(v))
}

// TestGroups: what is not enabled, or only for denying, does not count.
func TestGroups(t *testing.T) {
	v, err := decodeLogon(ndr.NewReader(yes()), 6)
	if err != nil {
		t.Fatal(err)
	}
	v.GroupIDs = append(v.GroupIDs, GroupMembership{2001, 0}, GroupMembership{2002, GroupEnabled | GroupDenyOnly}, GroupMembership{2003, GroupEnabled})
	var got []uint32
	for _, sid := range v.Groups() {
		got = append(got, sid.RID())
	}
	if want := []uint32{513, 1120, 2003, 1, 1130}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestConfig: names that cannot be used are refused before anybody is asked.
func TestConfig(t *testing.T) {
	good := Config{Server: "dc1", Domain: "EXAMPLE", Account: "WEB01$", Secret: func() ([]byte, error) { return nil, nil }, Connect: TCP("127.0.0.1", nil)}
	for name, change := range map[string]func(*Config){
		"no server":        func(c *Config) { c.Server = "" },
		"no domain":        func(c *Config) { c.Domain = "" },
		"DNS domain":       func(c *Config) { c.Domain = "a-long-one.example.test" },
		"a user":           func(c *Config) { c.Account = "WEB01" },
		"nobody":           func(c *Config) { c.Account = "$" },
		"no secret":        func(c *Config) { c.Secret = nil },
		"no way":           func(c *Config) { c.Connect = nil },
		"not ASCII":        func(c *Config) { c.Computer = "WÜB01" },
		"zero in the name": func(c *Config) { c.Domain = "EX\x00MPLE" },
		"domain and user":  func(c *Config) { c.Computer = `EXAMPLE\WEB` },
	} {
		c := good
		change(&c)
		if _, err := NewClient(c, 1, 1); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v, want %v", name, err, ErrConfig)
		}
		if _, err := Open(context.Background(), c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v, want %v", name, err, ErrConfig)
		}
	}
}

var _ dcerpc.Security = (*provider)(nil)
