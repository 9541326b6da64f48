package spnego

import (
	"bytes"
	"fmt"
)

// Mechanism is one that the server supports.
type Mechanism struct {
	OID OID
	// Keyless says that the server will not know the session key, as when it
	// relays NTLM to a controller. The client is then not asked for a
	// mechListMIC, which RFC 4178 4.2.2 requires only where the context can
	// make one; it may send one all the same.
	Keyless bool
}

// Acceptor is the server's side of one negotiation, RFC 4178 5. Step takes each
// token of the client; where its Turn says Run, the caller gives the token in it
// to the mechanism and says what came of it by one of Continue, Complete and
// Reject.
//
// A client that sends NTLM or Kerberos messages without SPNEGO around them is
// answered the same way, and looks the same to the caller.
//
// An error ends the negotiation, but for ErrUnprotected and ErrOutOfOrder, which
// change nothing. An Acceptor is not safe for concurrent use.
type Acceptor struct {
	mechanisms []Mechanism
	phase      phase
	raw        Kind // KindNTLMSSP or KindKerberos without SPNEGO
	spoken     bool // the first reply, which names the mechanism, is written
	list       MechTypeList
	selected   Mechanism
	named      OID       // selected, as the client wrote it
	required   bool      // selected is not the client's first choice: see choose
	mic        []byte    // that came with the token which the mechanism has
	integrity  Integrity // while the client's MIC is awaited
	protected  bool
	rejected   bool
}

type phase int

const (
	fresh    phase = iota
	running        // the mechanism has a token
	waiting        // the client owes a token for the mechanism
	awaitMIC       // the client owes a mechListMIC and nothing else
	done
	failed
)

// NewAcceptor starts a negotiation over the mechanisms that the server supports.
// Their order does not matter: the client's decides, as it does with MIT and
// Samba, and spares it a round.
func NewAcceptor(mechanisms ...Mechanism) *Acceptor {
	return &Acceptor{mechanisms: mechanisms}
}

// Need is what a Turn asks the caller for.
type Need int

// What can be asked for.
const (
	Run  Need = iota + 1 // give Token to the mechanism
	Send                 // send Reply; the client owes another token
	Done                 // send Reply, unless it is empty; the negotiation is over
)

// String gives the word.
func (n Need) String() string {
	switch n {
	case Run:
		return "run"
	case Send:
		return "send"
	case Done:
		return "done"
	default:
		return fmt.Sprintf("Need(%d)", int(n))
	}
}

// Turn is what the caller does next.
type Turn struct {
	Need  Need
	Token []byte // to Run; part of the client's token
	Reply []byte // to Send, or with Done
}

// Step takes a token of the client. Its errors match one of ErrMalformed,
// ErrNoMechanism, ErrRejected, ErrMIC, ErrUnexpected and ErrOutOfOrder.
//
// A NegTokenInit belongs at the beginning alone. For one in the middle, by which
// a client starts again, the caller takes a new Acceptor; KindOf tells it.
func (a *Acceptor) Step(token []byte) (Turn, error) {
	var turn Turn
	var err error
	switch a.phase {
	case fresh:
		turn, err = a.start(token)
	case waiting:
		turn, err = a.resume(token)
	case awaitMIC:
		turn, err = a.closeByMIC(token)
	default:
		return Turn{}, ErrOutOfOrder
	}
	if err != nil {
		a.phase = failed
		return Turn{}, err
	}
	return turn, nil
}

// start reads the first token and selects a mechanism.
func (a *Acceptor) start(token []byte) (Turn, error) {
	switch k := KindOf(token); k {
	case KindNTLMSSP:
		return a.startRaw(k, NTLMSSP, token)
	case KindKerberos:
		return a.startRaw(k, Kerberos, token)
	case KindResp:
		return Turn{}, fmt.Errorf("%w: %v comes first", ErrUnexpected, k)
	default:
		opening, err := ParseInit(token)
		if err != nil {
			return Turn{}, err
		}
		return a.startInit(opening)
	}
}

func (a *Acceptor) startRaw(kind Kind, mech OID, token []byte) (Turn, error) {
	a.raw = kind
	if len(token) > maxToken {
		return Turn{}, malformed(kind.String(), maxToken, "a token of %d bytes", len(token))
	}
	if !a.choose([]OID{mech}) {
		return Turn{}, &NoMechanismError{Offered: []OID{mech}}
	}
	a.phase = running
	return Turn{Need: Run, Token: token}, nil
}

func (a *Acceptor) startInit(opening *NegTokenInit) (Turn, error) {
	a.list = opening.MechTypes
	if len(a.list.oids) == 0 {
		return Turn{}, malformed(fieldMechTypes, 0, "missing")
	}
	if !a.choose(a.list.oids) {
		return Turn{}, &NoMechanismError{Offered: a.list.oids}
	}
	if a.required || opening.MechToken == nil {
		// The token is for another mechanism, or there is none. A
		// mechListMIC that came with it is that mechanism's too.
		return a.send(nil, nil)
	}
	a.mic = opening.MechListMIC
	a.phase = running
	return Turn{Need: Run, Token: opening.MechToken}, nil
}

// choose selects the first of the client's mechanisms that the server supports.
//
// A mechListMIC is then required unless it is the client's first. RFC 4178 5
// requires one besides where the server would have preferred another mechanism
// that the client does not offer. MIT and Samba do not, nor do their clients heed
// request-mic about their own first choice; so neither do we.
func (a *Acceptor) choose(offered []OID) bool {
	for i, o := range offered {
		for _, m := range a.mechanisms {
			if o.Mechanism() == m.OID.Mechanism() {
				a.selected, a.named, a.required = m, o, i > 0
				return true
			}
		}
	}
	return false
}

// resume reads a token for a mechanism that is under way.
func (a *Acceptor) resume(token []byte) (Turn, error) {
	if a.raw != KindUnknown {
		if k := KindOf(token); k != a.raw || len(token) > maxToken {
			return Turn{}, fmt.Errorf("%w: %v, %d bytes, after %v", ErrUnexpected, k, len(token), a.raw)
		}
		a.phase = running
		return Turn{Need: Run, Token: token}, nil
	}
	resp, err := a.response(token)
	if err != nil {
		return Turn{}, err
	}
	if resp.ResponseToken == nil {
		return Turn{}, malformed("responseToken", 0, "missing")
	}
	a.mic = resp.MechListMIC
	if bytes.Equal(a.mic, resp.ResponseToken) {
		a.mic = nil // Windows 2000 repeats the token there; MIT drops it too
	}
	a.phase = running
	return Turn{Need: Run, Token: resp.ResponseToken}, nil
}

// response reads a token that must be a NegTokenResp.
func (a *Acceptor) response(token []byte) (*NegTokenResp, error) {
	if k := KindOf(token); k != KindResp && k != KindUnknown {
		return nil, fmt.Errorf("%w: %v in the middle", ErrUnexpected, k)
	}
	resp, err := ParseResp(token)
	switch {
	case err != nil:
		return nil, err
	case resp.NegState == Rejected:
		return nil, ErrRejected
	case resp.SupportedMech != "" && resp.SupportedMech.Mechanism() != a.selected.OID.Mechanism():
		return nil, malformed("supportedMech", 0, "the client changes the mechanism to %s", resp.SupportedMech.Name())
	}
	return resp, nil
}

// errNotRunning is a call that says what a mechanism did which has no token.
var errNotRunning = fmt.Errorf("%w: the mechanism has no token", ErrOutOfOrder)

// Mechanism returns what was selected, Kerberos under its one identifier; "" at
// first.
func (a *Acceptor) Mechanism() OID { return a.selected.OID.Mechanism() }

// Offered returns the client's list; nil without SPNEGO.
func (a *Acceptor) Offered() []OID { return a.list.oids }

// Protected reports whether the client's mechListMIC was checked.
func (a *Acceptor) Protected() bool { return a.protected }

// wrongMIC is an ErrMIC with its cause.
func wrongMIC(cause error) error { return fmt.Errorf("%w: %w", ErrMIC, cause) }
