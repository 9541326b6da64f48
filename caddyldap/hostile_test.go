package caddyldap

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// Where the descriptors of an AUTHENTICATE_MESSAGE stand, [MS-NLMP] 2.2.1.3.
const (
	atNT   = 20
	atUser = 36
)

// pointed is a message whose descriptor at a byte points elsewhere.
func pointed(message []byte, at int, length uint16, offset uint32) []byte {
	binary.LittleEndian.PutUint16(message[at:], length)
	binary.LittleEndian.PutUint32(message[at+4:], offset)
	return message
}

// where is the offset that a descriptor holds.
func where(message []byte, at int) uint32 { return binary.LittleEndian.Uint32(message[at+4:]) }

// withPairs is an answer with alice's names and attributes of the test's own.
func withPairs(t *testing.T, pairs string) []byte {
	t.Helper()
	return craft(t, func(m *ntlm.Authenticate) {
		m.NTResponse = append(make([]byte, 44), pairs...)
		m.NTResponse[16], m.NTResponse[17] = 1, 1
	})
}

// TestMalformedAnswersAreNotHandedOn: threats B-05 and B-06. What two readers
// could take for two things is refused with the place where it departs, and no
// controller reads it.
func TestMalformedAnswersAreNotHandedOn(t *testing.T) {
	s := startDemo(t, nil)
	ctx := configuration(t)
	d := openIn(t, ctx, "EXAMPLE", s.LDAPS())
	const end, name = "\x00\x00\x00\x00", "\x01\x00\x02\x00A\x00"
	good := func() []byte { return withPairs(t, name+end) }
	for _, c := range []struct {
		name    string
		message []byte
		says    string // part of the error; empty: the controller is to judge
	}{
		{"well formed", good(), ""},
		{"no attributes but the end", withPairs(t, end), ""},
		{"offset past the end", pointed(good(), atUser, 8, 0xfffffff0), "UserName at byte 36"},
		{"sum that wraps", pointed(good(), atNT, 0xffff, 0xffff0001), "NtChallengeResponse at byte 20"},
		{"65535 bytes", pointed(good(), atUser, 0xffff, 64), "UserName at byte 36"},
		{"into the header", pointed(good(), atUser, 8, 12), "UserName at byte 36"},
		{"shared bytes", pointed(good(), atUser, 8, where(good(), atNT)), "shares bytes"},
		{"odd UTF-16", pointed(good(), atUser, 9, where(good(), atUser)), "odd UTF-16"},
		{"lone surrogate", surrogate(good()), "lone surrogate"},
		{"header cut", good()[:51], "header at byte 51"},
		{"no end", withPairs(t, name), "MsvAvEOL at byte 50"},
		{"no attributes at all", withPairs(t, ""), "MsvAvEOL at byte 44"},
		{"twice", withPairs(t, name+name+end), "MsvAvNbComputerName at byte 50"},
		{"unknown id", withPairs(t, "\x0b\x00\x00\x00"+end), "AvId 0xb at byte 44"},
		{"length past the end", withPairs(t, "\x01\x00\xff\xffA\x00"+end), "ends past the list"},
		{"odd attribute", withPairs(t, "\x01\x00\x03\x00A\x00B"+end), "odd UTF-16"},
		{"10,000 attributes", withPairs(t, strings.Repeat("\x08\x00\x00\x00", 10_000)+end), "MsvAvSingleHost at byte 48"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := d.NTLMVerifier().StartNTLM(t.Context(), new(ntlm.Client).Negotiate(), nil)
			if err != nil {
				t.Fatal(err)
			}
			before, _ := metrictest.Sum(t, ctx.GetMetricsRegistry(), exchanges)
			p, err := x.Finish(t.Context(), c.message)
			after, _ := metrictest.Sum(t, ctx.GetMetricsRegistry(), exchanges)
			want := identity.KindBadToken
			if c.says == "" {
				want = identity.KindBadCredentials
			}
			if p != nil || identity.KindOf(err) != want || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, %v, want %v that says %q", p, err, want, c.says)
			}
			if asked := after > before; asked != (c.says == "") {
				t.Errorf("the controller was asked: %v", asked)
			}
			_ = x.Close()
		})
	}
}

// surrogate spoils the first character of the user.
func surrogate(message []byte) []byte {
	copy(message[where(message, atUser):], "\x00\xd8")
	return message
}

// TestMalformedBeginningsAreNotHandedOn: threats B-05, of a Type 1: nobody even
// connects to a controller for it.
func TestMalformedBeginningsAreNotHandedOn(t *testing.T) {
	url, visits := visited(t)
	d, _ := open(t, &Directory{Server: []Server{{URL: url}}}, "EXAMPLE")
	fine := new(ntlm.Client).Negotiate()
	for name, message := range map[string][]byte{
		"nothing":            nil,
		"type alone":         fine[:12],
		"half a header":      fine[:20],
		"name out of bounds": []byte("NTLMSSP\x00\x01\x00\x00\x00\x02\x12\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"),
		"a Type 3":           craft(t, func(*ntlm.Authenticate) {}),
	} {
		if x, err := d.NTLMVerifier().StartNTLM(t.Context(), message, nil); x != nil || identity.KindOf(err) != identity.KindBadToken {
			t.Errorf("%s: got %v, %v, want %v", name, x, err, identity.KindBadToken)
		}
	}
	if got := visits.Load(); got != 0 {
		t.Errorf("got %d visits, want none", got)
	}
	if _, err := d.NTLMVerifier().StartNTLM(t.Context(), fine, nil); err == nil || visits.Load() == 0 {
		t.Errorf("got %v and %d visits: a proper one must come to the controller", err, visits.Load())
	}
}
