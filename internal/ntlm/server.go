package ntlm

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"io"
	"time"
)

// Server is the server's side of one exchange: Challenge, then Check. It holds
// the messages that the MIC covers, and no exchange can be stepped twice. The
// fields are set before Challenge. A Server is not safe for concurrent use.
//
// The client learns every name that is set here before it has shown who it is;
// an empty one is not sent.
type Server struct {
	NetBIOSDomain, NetBIOSName string
	DNSDomain, DNSName         string

	// Nonce is the challenge to send, eight bytes never used before; nil draws
	// them from Rand.
	Nonce *[8]byte
	// Rand yields the challenge; nil means crypto/rand.
	Rand io.Reader
	// Now stamps the challenge, which makes modern clients send a MIC; nil
	// sends no time, and they send none.
	Now func() time.Time
	// Version is sent to clients that ask for one; nil sends none.
	Version *Version

	step      step
	nonce     [8]byte
	negotiate []byte
	challenge []byte
}

type step int

const (
	awaitNegotiate step = iota
	awaitAuthenticate
	finished
)

// Accepted is a response that was made with the right password.
type Accepted struct {
	User, Domain, Workstation string // as the client wrote them
	SessionKey                Key    // the exported session key
	Message                   *Authenticate
	Response                  *NTLMv2Response
}

// serverFlags is what a Server grants a client that asks, [MS-NLMP] 3.2.5.1.1.
const serverFlags = RequestTarget | NegotiateNTLM | NegotiateAlwaysSign | NegotiateSign | NegotiateSeal |
	NegotiateExtendedSessionSecurity | Negotiate128 | Negotiate56 | NegotiateKeyExch

// Challenge reads the client's NEGOTIATE_MESSAGE and returns the
// CHALLENGE_MESSAGE, [MS-NLMP] 3.2.5.1.1.
func (s *Server) Challenge(negotiate []byte) ([]byte, error) {
	if s.step != awaitNegotiate {
		return nil, ErrOutOfOrder
	}
	s.step = finished
	asked, err := ParseNegotiate(negotiate)
	if err != nil {
		return nil, err
	}
	if s.nonce, err = s.draw(); err != nil {
		return nil, err
	}
	ch := &Challenge{
		Flags:           grant(asked.Flags),
		ServerChallenge: s.nonce,
		TargetInfo:      s.targetInfo(),
	}
	s.nameTarget(ch)
	if s.Version != nil && asked.Flags.Has(NegotiateVersion) {
		ch.Version = s.Version
		ch.Flags |= NegotiateVersion
	}
	if s.challenge, err = ch.Marshal(); err != nil {
		return nil, err
	}
	s.negotiate = bytes.Clone(negotiate)
	s.step = awaitAuthenticate
	return bytes.Clone(s.challenge), nil
}

// grant answers the client's flags. UNICODE wins over OEM, and the target
// information is always sent: NTLMv2 cannot do without.
func grant(asked Flags) Flags {
	f := asked&serverFlags | NegotiateNTLM | NegotiateTargetInfo
	if asked.Has(NegotiateUnicode) {
		return f | NegotiateUnicode
	}
	return f | NegotiateOEM
}

func (s *Server) nameTarget(ch *Challenge) {
	switch {
	case !ch.Flags.Has(RequestTarget):
	case s.NetBIOSDomain != "":
		ch.TargetName = s.NetBIOSDomain
		ch.Flags |= TargetTypeDomain
	case s.NetBIOSName != "":
		ch.TargetName = s.NetBIOSName
		ch.Flags |= TargetTypeServer
	}
}

func (s *Server) targetInfo() AVPairs {
	pairs := AVPairs{}
	for _, n := range []struct {
		id   AVID
		name string
	}{
		{AVNbDomainName, s.NetBIOSDomain},
		{AVNbComputerName, s.NetBIOSName},
		{AVDNSDomainName, s.DNSDomain},
		{AVDNSComputerName, s.DNSName},
	} {
		if n.name != "" {
			pairs = pairs.SetText(n.id, n.name)
		}
	}
	if s.Now != nil {
		pairs = pairs.Set(AVTimestamp, FiletimeOf(s.Now()).bytes())
	}
	return pairs
}

func (s *Server) draw() (nonce [8]byte, err error) {
	if s.Nonce != nil {
		return *s.Nonce, nil
	}
	r := s.Rand
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, nonce[:]); err != nil {
		return nonce, fmt.Errorf("random bytes for an NTLM challenge: %w", err)
	}
	return nonce, nil
}

// Check decides on the client's AUTHENTICATE_MESSAGE, [MS-NLMP] 3.2.5.1.2.
// ntHash looks up the NT hash of an account by the names that the client
// wrote; false means that there is none, and costs as much as a wrong password.
// The exchange ends here whatever the outcome. The error matches one of
// ErrMalformed, ErrAnonymous, ErrNotV2, ErrWrongResponse, ErrMIC and
// ErrOutOfOrder.
func (s *Server) Check(authenticate []byte, ntHash func(user, domain string) ([16]byte, bool)) (*Accepted, error) {
	if s.step != awaitAuthenticate {
		return nil, ErrOutOfOrder
	}
	s.step = finished
	m, err := ParseAuthenticate(authenticate)
	if err != nil {
		return nil, err
	}
	if m.Anonymous() {
		return nil, ErrAnonymous
	}
	r, err := m.V2()
	if err != nil {
		return nil, err
	}
	base, ok := s.prove(m, r, ntHash)
	if !ok {
		return nil, ErrWrongResponse
	}
	key, err := m.VerifyMIC(r, base, s.negotiate, s.challenge)
	if err != nil {
		return nil, err
	}
	return &Accepted{
		User: m.User, Domain: m.Domain, Workstation: m.Workstation,
		SessionKey: key, Message: m, Response: r,
	}, nil
}

// prove compares the response with the one that the account's hash makes.
func (s *Server) prove(m *Authenticate, r *NTLMv2Response, ntHash func(user, domain string) ([16]byte, bool)) (Key, bool) {
	nt, known := ntHash(m.User, m.Domain)
	hash := NTOWFv2(m.User, m.Domain, nt)
	want := NTProofStr(hash, s.nonce, r.ClientBlob())
	same := hmac.Equal(want[:], r.NTProofStr[:])
	return SessionBaseKey(hash, want), same && known
}

// Format prints the server's names alone.
func (s Server) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "ntlm.Server{NetBIOSDomain:%q NetBIOSName:%q}", s.NetBIOSDomain, s.NetBIOSName)
}
