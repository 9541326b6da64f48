package ntlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestMarshalRefuses(t *testing.T) {
	version := &Version{}
	for _, c := range []struct {
		name string
		m    interface{ Marshal() ([]byte, error) }
	}{
		{"negotiate with a name unannounced", &Negotiate{Domain: "X"}},
		{"negotiate with a version unannounced", &Negotiate{Version: version}},
		{"negotiate with a name too long", &Negotiate{Flags: NegotiateOEMDomainSupplied, Domain: strings.Repeat("x", 1<<16)}},
		{"challenge with information unannounced", &Challenge{TargetInfo: AVPairs{}}},
		{"challenge with a version unannounced", &Challenge{Version: version}},
		{"challenge with a bad pair", &Challenge{Flags: NegotiateTargetInfo, TargetInfo: AVPairs{{ID: 99}}}},
		{"challenge whose name is not UTF-8", &Challenge{TargetName: "\xff"}},
		{"authenticate with a version unannounced", &Authenticate{Version: version}},
		{"authenticate with MIC and no version announced", &Authenticate{Flags: NegotiateVersion, MIC: new([16]byte)}},
		{"authenticate whose user is not UTF-8", &Authenticate{User: "\xff"}},
		{"authenticate whose UTF-16 is too long", &Authenticate{Flags: NegotiateUnicode, User: strings.Repeat("x", 1<<15)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if b, err := c.m.Marshal(); err == nil || b != nil {
				t.Errorf("got %x, %v, want an error", b, err)
			}
		})
	}
}

// edit returns msg with the descriptor at byte at pointing elsewhere.
func edit(msg []byte, at int, length uint16, offset uint32) []byte {
	b := bytes.Clone(msg)
	binary.LittleEndian.PutUint16(b[at:], length)
	binary.LittleEndian.PutUint32(b[at+4:], offset)
	return b
}

func TestAuthenticateFields(t *testing.T) { // B-05
	good := unhex(t, specV2Authenticate)
	surrogate := bytes.Clone(good)
	copy(surrogate[0x54:], "\x00\xd8") // first unit of the user
	lastLow := bytes.Clone(good)
	copy(lastLow[0x5a:], "\x00\xd8") // last unit of the user
	for _, c := range []struct {
		name   string
		msg    []byte
		field  string // of the error; empty: it parses
		offset int
	}{
		{"as it is", good, "", 0},
		{"offset at the end of 32 bits", edit(good, authenticateNTAt, 84, 0xffffffff), "NtChallengeResponse", authenticateNTAt},
		{"sum wraps in 32 bits", edit(good, authenticateNTAt, 0xffff, 0xffff0001), "NtChallengeResponse", authenticateNTAt},
		{"one byte past the end", edit(good, authenticateKeyAt, 17, 0xd8), "EncryptedRandomSessionKey", authenticateKeyAt},
		{"65535 bytes", edit(good, authenticateUserAt, 0xffff, 0x54), "UserName", authenticateUserAt},
		{"into the header", edit(good, authenticateUserAt, 8, 0), "UserName", authenticateUserAt},
		{"shared bytes", edit(good, authenticateUserAt, 8, 0x48), "UserName", authenticateUserAt},
		{"odd UTF-16", edit(good, authenticateUserAt, 7, 0x54), "UserName", 0x54},
		{"lone high surrogate", surrogate, "UserName", 0x54},
		{"high surrogate at the end", lastLow, "UserName", 0x5a},
		{"empty field that points nowhere", edit(good, authenticateKeyAt, 0, 0xfffffff0), "", 0},
		{"header cut", good[:51], "header", 51},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ParseAuthenticate(c.msg)
			if c.field == "" {
				if err != nil {
					t.Errorf("got %v, want it to parse", err)
				}
				return
			}
			var bad *MalformedError
			if !errors.As(err, &bad) || bad.Field != c.field || bad.Offset != c.offset {
				t.Errorf("got %v, want %s at %d", err, c.field, c.offset)
			}
			if !errors.Is(err, ErrMalformed) || m != nil {
				t.Errorf("got %v, %v, want nil and ErrMalformed", m, err)
			}
		})
	}
}

// TestAuthenticateHeaders reads the headers of older clients.
func TestAuthenticateHeaders(t *testing.T) {
	const user = "user"
	for _, c := range []struct {
		header             int
		flags              Flags
		hasVersion, hasMIC bool
	}{
		{authenticateShort, 0, false, false},
		{authenticateFixed, NegotiateOEM, false, false},
		{authenticateFixed, NegotiateOEM | NegotiateVersion, false, false},
		{authenticateVersion, NegotiateOEM | NegotiateVersion, true, false},
		{authenticateVersion, NegotiateOEM, false, false},
		{authenticateMIC, NegotiateOEM | NegotiateVersion, true, true},
		{authenticateMIC, NegotiateOEM, false, true},
	} {
		t.Run(fmt.Sprintf("%d %v", c.header, c.flags), func(t *testing.T) {
			b := start(TypeAuthenticate, c.header)
			if c.header >= authenticateFixed {
				binary.LittleEndian.PutUint32(b[authenticateFlagsAt:], uint32(c.flags))
			}
			b = edit(append(b, user...), authenticateUserAt, uint16(len(user)), uint32(c.header))
			m, err := ParseAuthenticate(b)
			if err != nil {
				t.Fatal(err)
			}
			if m.User != user || m.Flags != c.flags || (m.Version != nil) != c.hasVersion || (m.MIC != nil) != c.hasMIC {
				t.Errorf("got %v, version %v, MIC %v", m, m.Version, m.MIC)
			}
		})
	}
}

func TestNegotiateHeaders(t *testing.T) {
	for _, c := range []struct {
		name string
		msg  string
		ok   bool
	}{
		{"flags alone", "4e544c4d535350000100000002020000", true},
		{"half a header", "4e544c4d53535000010000000202000000000000", false},
		{"unannounced name out of bounds", "4e544c4d535350000100000002020000" + "ffffffffffffffff" + "0000000000000000", true},
		{"announced name out of bounds", "4e544c4d535350000100000002120000" + "ffffffffffffffff" + "0000000000000000", false},
		{"names that share bytes", "4e544c4d535350000100000002320000" + "0200020020000000" + "0200020021000000" + "414243", false},
		{"a challenge", specV2Challenge, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ParseNegotiate(unhex(t, c.msg))
			if (err == nil) != c.ok || (m != nil) != c.ok {
				t.Errorf("got %+v, %v, want ok %v", m, err, c.ok)
			}
		})
	}
}

func TestChallengeHeaders(t *testing.T) {
	good := unhex(t, specV2Challenge)
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"up to the server challenge", good[:32], ErrMalformed}, // its name lies beyond
		{"no name, no information", edit(good[:32], challengeTargetNameAt, 0, 0), nil},
		{"name at byte 32", append(edit(good[:32], challengeTargetNameAt, 2, 32), 'x', 0), nil},
		{"information shares bytes with the name", edit(good, challengeTargetInfoAt, 48, 56), ErrMalformed},
		{"information in the header", edit(good, challengeTargetInfoAt, 36, 40), ErrMalformed},
		{"information cut before its end", edit(good, challengeTargetInfoAt, 32, 68), ErrAVPair},
		{"an authenticate", unhex(t, specV2Authenticate), ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ParseChallenge(c.msg); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
