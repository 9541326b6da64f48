package spnego

import (
	"errors"
	"fmt"
)

// Continue says that the mechanism waits for another token of the client, and
// returns the reply to send. out is the mechanism's own answer.
//
// A mechListMIC that the client sent with the token is dropped: before the
// mechanism is complete there is no key to check it with.
func (a *Acceptor) Continue(out []byte) ([]byte, error) {
	if a.phase != running {
		return nil, errNotRunning
	}
	a.mic = nil // it would keep the whole token in memory
	turn, err := a.send(out, nil)
	if err != nil {
		a.phase = failed
	}
	return turn.Reply, err
}

// send writes a reply after which the client owes a token.
func (a *Acceptor) send(out, mic []byte) (Turn, error) {
	state := AcceptIncomplete
	if !a.spoken && a.required && !a.selected.Keyless {
		state = RequestMIC
	}
	reply, err := a.reply(state, out, mic)
	if err != nil {
		return Turn{}, err
	}
	a.phase = waiting
	return Turn{Need: Send, Reply: reply}, nil
}

// reply writes a NegTokenResp, or the mechanism's token alone where the client
// speaks no SPNEGO.
func (a *Acceptor) reply(state NegState, out, mic []byte) ([]byte, error) {
	if a.raw != KindUnknown {
		return out, nil
	}
	t := &NegTokenResp{NegState: state, ResponseToken: out, MechListMIC: mic}
	if !a.spoken {
		t.SupportedMech = a.named // in the first reply alone, RFC 4178 4.2.2
	}
	a.spoken = true
	return t.Marshal()
}

// Complete says that the mechanism has established its context, and returns what
// to do: Done, or Send when the client still owes its mechListMIC. out is the
// mechanism's last token, nil when it has none; in, what the context protects
// messages with, nil when the server holds no key or nothing of the kind was
// negotiated, as by NTLM clients that do not ask to sign.
//
// mechListMIC is exchanged where the mechanism is not the client's first choice
// and where the client sent one, RFC 4178 5. Where it should be and in is nil,
// the error is ErrUnprotected.
func (a *Acceptor) Complete(out []byte, in Integrity) (Turn, error) {
	if a.phase != running {
		return Turn{}, errNotRunning
	}
	due := a.raw == KindUnknown && (a.required || a.mic != nil)
	if due && in == nil {
		return Turn{}, ErrUnprotected
	}
	var turn Turn
	var err error
	switch {
	case !due:
		turn, err = a.accept(out, nil)
	case a.mic != nil:
		turn, err = a.exchange(out, in)
	case len(out) > 0:
		turn, err = a.challenge(out, in)
	default: // whose token is the last sends the first MIC
		err = wrongMIC(errors.New("the client sent none"))
	}
	if err != nil {
		a.phase = failed
		return Turn{}, err
	}
	return turn, nil
}

// CompleteUnprotected is Complete for a caller that does without mechListMIC, by
// policy, after ErrUnprotected. The client's list may have been changed on its
// way: that it offered nothing better is not proven. A client that insists on
// our MIC will not like the reply.
func (a *Acceptor) CompleteUnprotected(out []byte) (Turn, error) {
	if a.phase != running {
		return Turn{}, errNotRunning
	}
	turn, err := a.accept(out, nil)
	if err != nil {
		a.phase = failed
	}
	return turn, err
}

func (a *Acceptor) accept(out, mic []byte) (Turn, error) {
	reply, err := a.reply(AcceptCompleted, out, mic)
	if err != nil {
		return Turn{}, err
	}
	a.phase = done
	return Turn{Need: Done, Reply: reply}, nil
}

// exchange checks the client's MIC and answers with ours.
func (a *Acceptor) exchange(out []byte, in Integrity) (Turn, error) {
	if err := a.verify(in, a.mic); err != nil {
		return Turn{}, err
	}
	mic, err := in.GetMIC(a.list.DER())
	if err != nil {
		return Turn{}, fmt.Errorf("signing the list of mechanisms: %w", err)
	}
	return a.accept(out, mic)
}

func (a *Acceptor) verify(in Integrity, mic []byte) error {
	if err := in.VerifyMIC(a.list.DER(), mic); err != nil {
		return wrongMIC(err)
	}
	a.protected = true
	return nil
}

// challenge sends our MIC with the last token of the mechanism, which is ours.
// The client owes its own.
func (a *Acceptor) challenge(out []byte, in Integrity) (Turn, error) {
	mic, err := in.GetMIC(a.list.DER())
	if err != nil {
		return Turn{}, fmt.Errorf("signing the list of mechanisms: %w", err)
	}
	turn, err := a.send(out, mic)
	if err != nil {
		return Turn{}, err
	}
	a.integrity, a.phase = in, awaitMIC
	return turn, nil
}

// closeByMIC reads the client's MIC, the last token of all: it gets no reply.
func (a *Acceptor) closeByMIC(token []byte) (Turn, error) {
	in := a.integrity
	a.integrity = nil
	resp, err := a.response(token)
	switch {
	case err != nil:
		return Turn{}, err
	case len(resp.ResponseToken) > 0:
		return Turn{}, fmt.Errorf("%w: a token for a mechanism that is complete", ErrUnexpected)
	case resp.MechListMIC == nil:
		return Turn{}, wrongMIC(errors.New("the client sent none"))
	}
	if err := a.verify(in, resp.MechListMIC); err != nil {
		return Turn{}, err
	}
	a.phase = done
	return Turn{Need: Done}, nil
}

// Reject ends the negotiation and returns the token that tells the client so. out
// is the mechanism's own error token, nil when it has none. Reject may be called
// after an error of Step or Complete. It returns nil when the client has said
// nothing that could be answered, and when all is over.
func (a *Acceptor) Reject(out []byte) []byte {
	if a.phase == done || a.rejected {
		return nil
	}
	a.phase, a.rejected, a.integrity = failed, true, nil
	if a.raw == KindUnknown && a.list.der == nil {
		return nil
	}
	reply, err := a.reply(Rejected, out, nil)
	if err != nil {
		return nil
	}
	return reply
}
