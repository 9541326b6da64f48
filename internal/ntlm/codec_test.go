package ntlm

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestTypeOf(t *testing.T) {
	for _, c := range []struct {
		name, msg string
		want      MessageType
		ok        bool
	}{
		{"negotiate", signature + "\x01\x00\x00\x00", TypeNegotiate, true},
		{"authenticate", signature + "\x03\x00\x00\x00rest", TypeAuthenticate, true},
		{"type 4", signature + "\x04\x00\x00\x00", 4, false},
		{"type 0", signature + "\x00\x00\x00\x00", 0, false},
		{"type in the high bytes", signature + "\x01\x00\x00\x01", 0x01000001, false},
		{"signature alone", signature, 0, false},
		{"SPNEGO", "\x60\x40\x06\x06\x2b\x06\x01\x05\x05\x02", 0, false},
		{"empty", "", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := TypeOf([]byte(c.msg))
			if got != c.want || (err == nil) != c.ok {
				t.Errorf("got %v, %v, want %v, ok %v", got, err, c.want, c.ok)
			}
			if got, want := IsMessage([]byte(c.msg)), strings.HasPrefix(c.msg, signature); got != want {
				t.Errorf("IsMessage: got %v, want %v", got, want)
			}
		})
	}
}

func TestFlagsString(t *testing.T) {
	for _, c := range []struct {
		flags Flags
		want  string
	}{
		{0, "0"},
		{NegotiateUnicode | Negotiate56, "UNICODE|56"},
		{0x8 | NegotiateNTLM, "0x8|NTLM"},
	} {
		if got := c.flags.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// TestCanonicalBytes wants a message in the usual layout back byte for byte.
func TestCanonicalBytes(t *testing.T) {
	for _, c := range []struct{ name, msg string }{
		{"spec NTLMv1 challenge", specV1Challenge},
		{"spec NTLM2 session challenge", specESSChallenge},
		{"spec NTLMv2 challenge", specV2Challenge},
		{"spec NTLMv1 authenticate", specV1Authenticate},
		{"spec NTLMv2 authenticate", specV2Authenticate},
		{"negotiate of 40 bytes", "4e544c4d535350000100000033828ae2000000000000000000000000000000000601b01d0000000f"},
		{"negotiate of 32 bytes", "4e544c4d5353500001000000068208000000000000000000" + "0000000000000000"},
		{"negotiate with names", "4e544c4d53535000010000000632000007000700260000000600060020000000" + "4445534b2d31" + "4558414d504c45"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := remarshal(unhex(t, c.msg))
			if err != nil {
				t.Fatal(err)
			}
			wantHex(t, "marshalled", got, c.msg)
		})
	}
}

func remarshal(msg []byte) ([]byte, error) {
	typ, err := TypeOf(msg)
	if err != nil {
		return nil, err
	}
	var m interface{ Marshal() ([]byte, error) }
	switch typ {
	case TypeNegotiate:
		m, err = ParseNegotiate(msg)
	case TypeChallenge:
		m, err = ParseChallenge(msg)
	default:
		m, err = ParseAuthenticate(msg)
	}
	if err != nil {
		return nil, err
	}
	return m.Marshal()
}

func TestNegotiateRoundTrip(t *testing.T) {
	const named = NegotiateOEMDomainSupplied | NegotiateOEMWorkstationSupplied
	for _, c := range []struct {
		name string
		m    Negotiate
	}{
		{"empty", Negotiate{}},
		{"no version", Negotiate{Flags: NegotiateUnicode | NegotiateVersion}},
		{"version", Negotiate{Flags: NegotiateVersion, Version: &Version{10, 0, 20348, RevisionW2K3}}},
		{"names", Negotiate{Flags: named, Domain: "EXAMPLE", Workstation: "DESK"}},
		{"names and version", Negotiate{Flags: named | NegotiateVersion, Domain: "GRÜN", Workstation: "DESK", Version: &Version{}}},
		{"one name", Negotiate{Flags: named, Workstation: "DESK"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := c.m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseNegotiate(b)
			if err != nil || !reflect.DeepEqual(*got, c.m) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.m)
			}
		})
	}
}

func TestChallengeRoundTrip(t *testing.T) {
	info := AVPairs{}.SetText(AVNbDomainName, "EXAMPLE").Set(AVTimestamp, make([]byte, 8))
	for _, c := range []struct {
		name string
		m    Challenge
	}{
		{"empty", Challenge{}},
		{"OEM name", Challenge{TargetName: "EXAMPLE", ServerChallenge: specServerChallenge}},
		{"UTF-16 name", Challenge{TargetName: "GRÜN😀", Flags: NegotiateUnicode}},
		{"information", Challenge{TargetName: "X", Flags: NegotiateTargetInfo, TargetInfo: info}},
		{"empty information", Challenge{Flags: NegotiateTargetInfo, TargetInfo: AVPairs{}}},
		{"all", Challenge{TargetName: "X", Flags: NegotiateUnicode | NegotiateTargetInfo | NegotiateVersion,
			TargetInfo: info, Version: &Version{6, 1, 7601, RevisionW2K3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := c.m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseChallenge(b)
			if err != nil || !reflect.DeepEqual(*got, c.m) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.m)
			}
		})
	}
}

func TestAuthenticateRoundTrip(t *testing.T) {
	mic := &[16]byte{1, 2, 3}
	for _, c := range []struct {
		name string
		m    Authenticate
	}{
		{"empty", Authenticate{}},
		{"empty with MIC", Authenticate{MIC: mic}},
		{"OEM names", Authenticate{User: "jörg", Domain: "EXAMPLE", Workstation: "desk", NTResponse: make([]byte, 24)}},
		{"version", Authenticate{User: "jörg", Flags: NegotiateUnicode | NegotiateVersion, Version: &Version{5, 1, 2600, RevisionW2K3}}},
		{"all", Authenticate{User: "u", Domain: "d", Workstation: "w", LMResponse: []byte{0}, NTResponse: make([]byte, 60),
			EncryptedSessionKey: make([]byte, 16), Flags: NegotiateUnicode | NegotiateVersion, Version: &Version{}, MIC: mic}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := c.m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseAuthenticate(b)
			if err != nil || !sameAuthenticate(got, &c.m) {
				t.Errorf("got %v, %v, want %v", got, err, &c.m)
			}
		})
	}
}

// sameAuthenticate compares two messages but for the bytes they came as.
func sameAuthenticate(a, b *Authenticate) bool {
	x, y := *a, *b
	x.raw, y.raw = nil, nil
	return reflect.DeepEqual(x, y)
}

func TestDecodeOEM(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"ASCII", "user", "user"},
		{"UTF-8", "j\xc3\xb6rg", "jörg"},
		{"Windows-1252", "j\xf6rg \x80\x99", "jörg €™"},
		{"unassigned in Windows-1252", "\x81\xff", "\u0081ÿ"},
	} {
		if got := decodeOEM([]byte(c.in)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestParseKeepsNothing wants a parsed message to stay as it is when its reader
// uses the buffer again.
func TestParseKeepsNothing(t *testing.T) {
	b := unhex(t, specV2Authenticate)
	m, err := ParseAuthenticate(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if got, err := m.Marshal(); err != nil || !bytes.Equal(got, unhex(t, specV2Authenticate)) {
		t.Errorf("got %x, %v, want the message as it came", got, err)
	}
}
