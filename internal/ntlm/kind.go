package ntlm

import "bytes"

// ResponseKind is the family of the response in an AUTHENTICATE_MESSAGE, told
// from its shape alone, [MS-NLMP] 2.2.2.3 to 2.2.2.8.
type ResponseKind int

// The kinds of response. Only ResponseNTLMv2 is fit to be checked.
const (
	ResponseUnknown      ResponseKind = iota // fits no description in [MS-NLMP]
	ResponseNone                             // neither an NT nor an LM response
	ResponseLMOnly                           // LM or LMv2, which have the same shape
	ResponseNTLMv1                           // 24 bytes of NT response
	ResponseNTLM2Session                     // the same, with a client challenge in the LM response
	ResponseNTLMv2                           // a proof and an NTLMv2_CLIENT_CHALLENGE
)

// String gives the kind's usual name.
func (k ResponseKind) String() string {
	switch k {
	case ResponseNone:
		return "none"
	case ResponseLMOnly:
		return "LM"
	case ResponseNTLMv1:
		return "NTLMv1"
	case ResponseNTLM2Session:
		return "NTLM2 session"
	case ResponseNTLMv2:
		return "NTLMv2"
	default:
		return "unknown"
	}
}

// v1ResponseLen is the size of an LM, LMv2 and NTLMv1 response.
const v1ResponseLen = 24

// ResponseKind tells what kind of response the client sent. NTLMv2 is a longer
// NT response with a whole client challenge of version 1,
// [MS-NLMP] 2.2.2.7; whether its attributes parse, V2 says.
func (m *Authenticate) ResponseKind() ResponseKind {
	switch n := len(m.NTResponse); {
	case n == 0 && len(m.LMResponse) == 0:
		return ResponseNone
	case n == 0:
		return ResponseLMOnly
	case n == v1ResponseLen && m.ntlm2Session():
		return ResponseNTLM2Session
	case n == v1ResponseLen:
		return ResponseNTLMv1
	case n >= v2Fixed && m.NTResponse[16] == respType && m.NTResponse[17] == respType:
		return ResponseNTLMv2
	default:
		return ResponseUnknown
	}
}

// ntlm2Session recognises the LM response that goes with extended session
// security: eight bytes of client challenge and sixteen of zero,
// [MS-NLMP] 3.3.1.
func (m *Authenticate) ntlm2Session() bool {
	return m.Flags.Has(NegotiateExtendedSessionSecurity) &&
		len(m.LMResponse) == v1ResponseLen &&
		bytes.Equal(m.LMResponse[8:], make([]byte, 16))
}

// Anonymous reports whether the client asks for an anonymous log-on: by flag,
// by sending neither a user nor an NT response, or by the single zero byte that
// [MS-NLMP] 3.2.5.1.2 has it send as LM response. Controllers grant such a
// log-on, so nobody may be asked about it.
func (m *Authenticate) Anonymous() bool {
	if m.Flags.Has(NegotiateAnonymous) {
		return true
	}
	if len(m.NTResponse) != 0 {
		return false
	}
	return m.User == "" || bytes.Equal(m.LMResponse, []byte{0})
}
