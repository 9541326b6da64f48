package netlogon

import (
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// A Logon is a network log-in that a client has sent us, NETLOGON_NETWORK_INFO of
// [MS-NRPC] 2.2.1.4.5, without its LM response. That would be an LMv2 response, which
// controllers take where the NTLMv2 response is wrong, and it covers nothing but the
// challenge: what the client has said of where it logs in, and that it sends a message
// integrity code, could then be anybody's words.
type Logon struct {
	Domain, User, Workstation string  // as the client wrote them
	Challenge                 [8]byte // ours, to which the responses answer
	NTResponse                []byte  // NTLMv2 alone

	unanswered int // how often it was sent in vain
}

// maxUnanswered is how often a log-in is sent that nobody answers: a controller may have
// judged it all the same, and each wrong password counts towards the account's lockout.
const maxUnanswered = 2

// Spent reports whether the log-in was sent in vain as often as may be. It belongs to one
// caller at a time.
func (l *Logon) Spent() bool { return l.unanswered >= maxUnanswered }

// Format prints the names.
func (l Logon) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "netlogon.Logon{Domain:%q User:%q Workstation:%q}", l.Domain, l.User, l.Workstation)
}

const (
	// networkInformation is NetlogonNetworkInformation, [MS-NRPC] 2.2.1.4.16.
	networkInformation = 2
	// parameterControl allows machine accounts as users, [MS-NRPC] 2.2.1.4.15.
	parameterControl = 0x820
	// minNTLMv2 is the length in bytes of the shortest NTLMv2 response,
	// [MS-NLMP] 2.2.2.8.
	minNTLMv2 = 44
	// noLMResponse is the length in bytes of the LM response that is none: zeros, as
	// clients of Windows send it, [MS-NLMP] 3.1.5.1.2.
	noLMResponse = 24
)

// check refuses what is not to be sent. The error matches ErrNotV2.
func (l *Logon) check() error {
	_, err := l.names()
	return err
}

// names are domain, user and workstation to be written.
func (l *Logon) names() (texts [3]ndr.WideText, err error) {
	if l.User == "" || len(l.NTResponse) < minNTLMv2 || len(l.NTResponse) > 0xFFFF {
		return texts, ErrNotV2
	}
	for i, name := range []string{l.Domain, l.User, l.Workstation} {
		text, ok := ndr.NewWideText(name)
		if !ok {
			return texts, fmt.Errorf("%w: a name of %d bytes", ErrNotV2, len(name))
		}
		texts[i] = text
	}
	return texts, nil
}

// encodeLogon writes NetrLogonSamLogonEx, [MS-NRPC] 3.5.4.5.1.
func encodeLogon(c *Config, l *Logon, level uint16) (*ndr.Writer, error) {
	texts, err := l.names()
	if err != nil {
		return nil, err
	}
	w := new(ndr.Writer)
	for _, name := range []string{c.server(), c.Computer} {
		w.Pointer(true)
		w.ZeroTerminated(name)
	}
	w.Uint16(networkInformation)
	w.Uint16(networkInformation) // which arm of the union follows
	w.Pointer(true)
	w.Head(texts[0])
	w.Uint32(parameterControl)
	w.Uint32(0) // reserved
	w.Uint32(0)
	w.Head(texts[1])
	w.Head(texts[2])
	w.Bytes(l.Challenge[:])
	responses := [][]byte{l.NTResponse, make([]byte, noLMResponse)}
	for _, response := range responses {
		w.Uint16(uint16(len(response)))
		w.Uint16(uint16(len(response)))
		w.Pointer(true)
	}
	for _, text := range texts {
		w.Text(text)
	}
	for _, response := range responses {
		w.Varying(len(response))
		w.Bytes(response)
	}
	w.Uint16(level)
	w.Uint32(0) // ExtraFlags
	return w, nil
}

// decodeLogon reads the answer: what it says of whom, and the verdict, which alone
// says whether it counts. Whether it is anybody is for check.
func decodeLogon(r *ndr.Reader, level uint16) (*Validation, error) {
	if got := r.Uint16(); r.Err() == nil && got != level {
		r.Fail("level %d, and %d was asked for", got, level)
	}
	v := new(Validation)
	if r.Pointer() {
		v.read(r, level)
	}
	authoritative := r.Uint8() != 0
	r.Uint32() // ExtraFlags
	err := samLogonEx.verdict(r)
	var status *StatusError
	if errors.As(err, &status) {
		status.Authoritative = authoritative
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}
