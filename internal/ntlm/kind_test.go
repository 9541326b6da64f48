package ntlm

import (
	"bytes"
	"testing"
)

func TestResponseKind(t *testing.T) { // B-07, B-08
	v2 := unhex(t, specTemp)
	v2 = append(make([]byte, 16), v2...)
	const ess = NegotiateExtendedSessionSecurity
	for _, c := range []struct {
		name      string
		m         Authenticate
		want      ResponseKind
		anonymous bool
	}{
		{"nothing", Authenticate{}, ResponseNone, true},
		{"user and nothing else", Authenticate{User: "u"}, ResponseNone, false},
		{"one zero byte", Authenticate{User: "u", LMResponse: []byte{0}}, ResponseLMOnly, true},
		{"LM alone", Authenticate{User: "u", LMResponse: make([]byte, 24)}, ResponseLMOnly, false},
		{"LM alone, no user", Authenticate{LMResponse: make([]byte, 24)}, ResponseLMOnly, true},
		{"24 bytes", Authenticate{User: "u", LMResponse: make([]byte, 24), NTResponse: v2[:24]}, ResponseNTLMv1, false},
		{"24 bytes, session security", Authenticate{User: "u", LMResponse: make([]byte, 24), NTResponse: v2[:24], Flags: ess}, ResponseNTLM2Session, false},
		{"24 bytes, session security, LM response", Authenticate{User: "u", LMResponse: bytes.Repeat([]byte{1}, 24), NTResponse: v2[:24], Flags: ess}, ResponseNTLMv1, false},
		{"25 bytes", Authenticate{User: "u", NTResponse: v2[:25]}, ResponseUnknown, false},
		{"43 bytes", Authenticate{User: "u", NTResponse: v2[:43]}, ResponseUnknown, false},
		{"44 bytes", Authenticate{User: "u", NTResponse: v2[:44]}, ResponseNTLMv2, false},
		{"NTLMv2", Authenticate{User: "u", NTResponse: v2}, ResponseNTLMv2, false},
		{"no version in the client challenge", Authenticate{User: "u", NTResponse: make([]byte, 60)}, ResponseUnknown, false},
		{"NTLMv2 without a user", Authenticate{NTResponse: v2}, ResponseNTLMv2, false},
		{"NTLMv2 flagged anonymous", Authenticate{User: "u", NTResponse: v2, Flags: NegotiateAnonymous}, ResponseNTLMv2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.m.ResponseKind(); got != c.want {
				t.Errorf("kind: got %v, want %v", got, c.want)
			}
			if got := c.m.Anonymous(); got != c.anonymous {
				t.Errorf("anonymous: got %v, want %v", got, c.anonymous)
			}
			if r, err := c.m.V2(); (err == nil) != (c.want == ResponseNTLMv2 && len(c.m.NTResponse) > 44) {
				t.Errorf("V2: got %v, %v", r, err)
			}
		})
	}
}
