package spnego

import "fmt"

// NegState is the state of the negotiation as its sender sees it,
// RFC 4178 4.2.2.
type NegState int

// The states of a negotiation.
const (
	NoState          NegState = iota // the field is absent
	AcceptCompleted                  // the sender is done
	AcceptIncomplete                 // the sender waits for another token
	Rejected                         // the sender gives up
	RequestMIC                       // as AcceptIncomplete, and mechListMIC is required
)

// String gives the name in RFC 4178.
func (s NegState) String() string {
	switch s {
	case NoState:
		return "none"
	case AcceptCompleted:
		return "accept-completed"
	case AcceptIncomplete:
		return "accept-incomplete"
	case Rejected:
		return "reject"
	case RequestMIC:
		return "request-mic"
	default:
		return fmt.Sprintf("NegState(%d)", int(s))
	}
}

// NegTokenResp is every token but the first, from either side,
// RFC 4178 4.2.2. In a byte slice nil means that the field is absent.
type NegTokenResp struct {
	NegState      NegState
	SupportedMech OID // "" when absent; in the server's first token alone
	ResponseToken []byte
	MechListMIC   []byte
}

// ParseResp reads a NegTokenResp, which has no GSS-API frame. Byte slices of the
// result are parts of token.
func ParseResp(token []byte) (*NegTokenResp, error) {
	const field = "negTokenResp"
	if len(token) > maxToken {
		return nil, malformed(field, maxToken, "a token of %d bytes", len(token))
	}
	outer := reader{rest: token}
	choice, err := outer.only(field, tagContext+1)
	if err != nil {
		return nil, err
	}
	r, err := choice.read(field)
	if err != nil {
		return nil, err
	}
	t := new(NegTokenResp)
	f, err := openFields("NegTokenResp", r)
	for err == nil && !f.done() {
		err = t.readField(f)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *NegTokenResp) readField(f *fields) error {
	number, value, err := f.field("negState", "supportedMech", "responseToken", "mechListMIC")
	if err != nil {
		return err
	}
	switch number {
	case 0:
		t.NegState, err = readState(value)
	case 1:
		t.SupportedMech, err = value.oid("supportedMech")
		if err == nil && !value.done() {
			err = malformed("supportedMech", value.at, "%d bytes too many", len(value.rest))
		}
	case 2:
		t.ResponseToken, err = value.octets("responseToken")
	case 3:
		t.MechListMIC, err = value.octets("mechListMIC")
	}
	return err
}

func readState(r reader) (NegState, error) {
	e, err := r.only("negState", tagEnumerated)
	if err != nil {
		return NoState, err
	}
	v := e.value()
	if len(v) != 1 || v[0] > 3 {
		return NoState, malformed("negState", e.at, "none of the four states")
	}
	return NegState(v[0]) + AcceptCompleted, nil
}

// Marshal writes the token.
func (t *NegTokenResp) Marshal() ([]byte, error) {
	var body [4][]byte
	if t.NegState != NoState {
		body[0] = encodeField(0, tagEnumerated, []byte{byte(t.NegState - AcceptCompleted)})
	}
	if t.SupportedMech != "" {
		body[1] = encodeField(1, tagOID, []byte(t.SupportedMech))
	}
	body[2] = encodeField(2, tagOctetString, t.ResponseToken)
	body[3] = encodeField(3, tagOctetString, t.MechListMIC)
	return bounded(encode(tagContext+1, encode(tagSequence, body[:]...)))
}
