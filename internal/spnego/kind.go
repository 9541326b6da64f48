package spnego

import "bytes"

// Kind is what a token is, by its first bytes.
type Kind int

// The kinds of token that follow "Negotiate" in a request.
const (
	KindUnknown  Kind = iota
	KindNTLMSSP       // an NTLM message without SPNEGO around it, [MS-NLMP] 2.2.1
	KindKerberos      // a Kerberos token in a GSS-API frame of its own, RFC 4121 4.1
	KindInit          // a NegTokenInit
	KindResp          // a NegTokenResp
)

// String gives the kind's name.
func (k Kind) String() string {
	switch k {
	case KindNTLMSSP:
		return "raw NTLMSSP"
	case KindKerberos:
		return "raw Kerberos"
	case KindInit:
		return "NegTokenInit"
	case KindResp:
		return "NegTokenResp"
	default:
		return "unknown"
	}
}

// KindOf tells what a token is. It looks at the head alone: a token of a known
// kind may be malformed all the same.
func KindOf(token []byte) Kind {
	if bytes.HasPrefix(token, []byte("NTLMSSP\x00")) {
		return KindNTLMSSP
	}
	if len(token) > 0 && token[0] == tagContext+1 {
		return KindResp
	}
	mech, _, err := frame("InitialContextToken", token)
	switch {
	case err != nil:
		return KindUnknown
	case mech == SPNEGO:
		return KindInit
	case mech.Mechanism() == Kerberos:
		return KindKerberos
	default:
		return KindUnknown
	}
}
