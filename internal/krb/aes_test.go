package krb

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"testing"

	"github.com/jcmturner/gokrb5/v8/crypto"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	return must(t, raw, err)
}

// TestNFold: RFC 3961 A.1.
func TestNFold(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"012345", "be072631276b1955"},
		{"password", "78a07b6caf85fa"},
		{"Rough Consensus, and Running Code", "bb6ed30870b7f0e0"},
		{"password", "59e4a8ca7c0385c3c37b3f6d2000247cb6e6bd5b3e"},
		{"MASSACHVSETTS INSTITVTE OF TECHNOLOGY", "db3b0d8f0b061e603282b308a50841229ad798fab9540c1b"},
		{"Q", "518a54a2 15a8452a 518a54a2 15a8452a 518a54a2 15"},
		{"ba", "fb25d531 ae897449 9f52fd92 ea9857c4 ba24cf29 7e"},
		{"kerberos", "6b65726265726f73"},
		{"kerberos", "6b65726265726f737b9b5b2b93132b93"},
		{"kerberos", "8372c236344e5f1550cd0747e15d62ca7a5a3bcea4"},
	} {
		want := unhex(t, string(bytes.ReplaceAll([]byte(c.want), []byte(" "), nil)))
		if got := nFold([]byte(c.in), len(want)); !bytes.Equal(got, want) {
			t.Errorf("%q to %d bytes: got %x, want %x", c.in, len(want), got, want)
		}
	}
}

// TestCTS: RFC 3962 B, by the key "chicken teriyaki".
func TestCTS(t *testing.T) {
	block, err := aes.NewCipher([]byte("chicken teriyaki"))
	if err != nil {
		t.Fatal(err)
	}
	const text = "I would like the General Gau's Chicken, please, and wonton soup."
	for n, want := range map[int]string{
		17: "c6353568f2bf8cb4d8a580362da7ff7f97",
		31: "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5",
		32: "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584",
		47: "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
		48: "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8",
		64: "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a84807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
	} {
		got := encryptCTS(block, []byte(text[:n]))
		if hex.EncodeToString(got) != want {
			t.Errorf("%d bytes: got %x, want %s", n, got, want)
		}
		if back := decryptCTS(block, got); string(back) != text[:n] {
			t.Errorf("%d bytes: got %q back", n, back)
		}
	}
}

// TestSHA2Vectors: RFC 8009 A: keys of usage 2, sealed messages of four lengths under
// it, and a checksum.
func TestSHA2Vectors(t *testing.T) {
	const text21 = "000102030405060708090a0b0c0d0e0f1011121314"
	for _, c := range []struct {
		etype      int32
		key        string
		kc, ke, ki string
		sealed     map[int]string // by the length of the message, 00 01 02 …
		sum        string         // of the message of 21 bytes
	}{
		{
			etypeAES128SHA2, "3705d96080c17728a0e800eab6e0d23c",
			"b31a018a48f54776f403e9a396325dc3", "9b197dd1e8c5609d6e67c3e37c62c72e", "9fda0e56ab2d85e1569a688696c26a6c",
			map[int]string{
				0:  "ef85fb890bb8472f4dab20394dca781dad877eda39d50c870c0d5a0a8e48c718",
				6:  "84d7f30754ed987bab0bf3506beb09cfb55402cef7e6877ce99e247e52d16ed4421dfdf8976c",
				16: "3517d640f50ddc8ad3628722b3569d2ae07493fa8263254080ea65c1008e8fc295fb4852e7d83e1e7c48c37eebe6b0d3",
				21: "720f73b18d9859cd6ccb4346115cd336c70f58edc0c4437c5573544c31c813bce1e6d072c186b39a413c2f92ca9b8334a287ffcbfc",
			},
			"d78367186643d67b411cba9139fc1dee",
		},
		{
			etypeAES256SHA2, "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52",
			"ef5718be86cc84963d8bbb5031e9f5c4ba41f28faf69e73d", "56ab22bee63d82d7bc5227f6773f8ea7a5eb1c825160c38312980c442e5c7e49", "69b16514e3cd8e56b82010d5c73012b622c4d00ffc23ed1f",
			map[int]string{
				0:  "41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c",
				6:  "4ed7b37c2bcac8f74f23c1cf07e62bc7b75fb3f637b9f559c7f664f69eab7b6092237526ea0d1f61cb20d69d10f2",
				16: "bc47ffec7998eb91e8115cf8d19dac4bbbe2e163e87dd37f49beca92027764f68cf51f14d798c2273f35df574d1f932e40c4ff255b36a266",
				21: "40013e2df58e8751957d2878bcd2d6fe101ccfd556cb1eae79db3c3ee86429f2b2a602ac86fef6ecb647d6295fae077a1feb517508d2c16b4192e01f62",
			},
			"45ee791567eefca37f4ac1e0222de80d43c3bfa06699672a",
		},
	} {
		p, key := profiles[c.etype], unhex(t, c.key)
		for purpose, want := range map[byte]string{purposeChecksum: c.kc, purposeEncrypt: c.ke, purposeIntegrity: c.ki} {
			got, err := p.derive(key, 2, purpose, len(want)/2)
			if err != nil || hex.EncodeToString(got) != want {
				t.Errorf("%s: the key of purpose %#x: got %x, %v, want %s", Etype(c.etype), purpose, got, err, want)
			}
		}
		for n, sealed := range c.sealed {
			got, err := p.open(key, unhex(t, sealed), 2)
			if err != nil || hex.EncodeToString(got) != text21[:2*n] {
				t.Errorf("%s: a message of %d bytes: got %x, %v", Etype(c.etype), n, got, err)
			}
		}
		if got, err := p.sumOver(key, 2, purposeChecksum, unhex(t, text21)); err != nil || hex.EncodeToString(got) != c.sum {
			t.Errorf("%s: the checksum: got %x, %v, want %s", Etype(c.etype), got, err, c.sum)
		}
	}
}

// TestSealed: what the library seals opens here, and the other way round, of each
// length about the blocks; and nothing that was changed, cut, or is of another usage.
func TestSealed(t *testing.T) {
	for _, etype := range []int32{etypeAES128SHA1, etypeAES256SHA1, etypeAES128SHA2, etypeAES256SHA2, etypeRC4} {
		key := aKey(etype, 0x37)
		for n := range 70 {
			message := bytes.Repeat([]byte{byte(n)}, n)
			theirs, err := crypto.GetEncryptedData(message, key, usageTicket, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := open(theirs, key, usageTicket); err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s, %d bytes of the library's: got %x, %v", Etype(etype), n, got, err)
			}
			ours, err := seal(message, key, usageTicket)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := crypto.DecryptEncPart(ours, key, usageTicket); err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s, %d bytes of ours: got %x, %v", Etype(etype), n, got, err)
			}
			wrong := func(what string, sealed []byte, usage uint32) {
				ours := ours
				ours.Cipher = sealed
				if got, err := open(ours, key, usage); err == nil {
					t.Errorf("%s, %d bytes, %s: got %x", Etype(etype), n, what, got)
				}
			}
			wrong("another usage", ours.Cipher, usageAuthenticator)
			for i := range ours.Cipher {
				changed := bytes.Clone(ours.Cipher)
				changed[i] ^= 0x20
				wrong("changed", changed, usageTicket)
				wrong("cut", ours.Cipher[:i], usageTicket)
			}
		}
	}
}

// TestChecksum: ours are the library's.
func TestChecksum(t *testing.T) {
	for etype := range checksumOf {
		key, message := aKey(etype, 0x37), []byte("what the KDC says")
		e, err := crypto.GetEtype(etype)
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.GetChecksumHash(key.KeyValue, message, usagePAC)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := checksum(key, message, usagePAC); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v, want %x", Etype(etype), got, err, want)
		}
	}
}
