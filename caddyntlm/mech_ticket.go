package caddyntlm

import (
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// Kerberos inside Negotiate, RFC 4559: a ticket proves who sends a request, in
// that request, and nobody is asked. So it works on HTTP/2, on HTTP/3 and behind
// proxies, and no connection remembers it: a proxy that shows itself by nothing may
// share one among clients, and brings them all in as easily as the first.

var errTwoLegs = errors.New("the negotiation takes more than one token, and this connection may be shared or closes")

// acceptTicket takes the token of a client that begins with a ticket. Whoever was
// known on the connection no longer is.
func (v *visit) acceptTicket(acceptor *spnego.Acceptor, token []byte) error {
	v.step(eventNegotiate, held{})
	defer v.step(eventRefused, held{})
	turn, err := v.proveTicket(acceptor, token)
	if err != nil {
		return err
	}
	if turn.Need == spnego.Send {
		return v.owe(acceptor, turn.Reply)
	}
	v.acceptedTicket(turn.Reply)
	return nil
}

// acceptedTicket keeps the token that tells the client that its ticket was right.
func (v *visit) acceptedTicket(reply []byte) {
	v.final = reply
	v.noteKnown()
}

// continueTicket goes on where the client had to be told about Kerberos first, or
// still owes the signature of its list of mechanisms.
func (v *visit) continueTicket(h *handshake, turn spnego.Turn) error {
	if h.proven != nil && turn.Need == spnego.Done {
		v.id, v.from, v.by, v.loggedIn, v.verifier, v.claimed, v.meant = h.proven, v.door.tickets, byTicket, true, h.verifier, h.claimed, h.meant
		v.acceptedTicket(turn.Reply)
		return nil
	}
	if turn.Need != spnego.Run {
		return identity.Fail(identity.KindState, nil)
	}
	next, err := v.proveTicket(h.acceptor, turn.Token)
	if err != nil {
		return err
	}
	if next.Need == spnego.Send {
		h.close() // its place goes to the handshake that comes
		return v.owe(h.acceptor, next.Reply)
	}
	v.acceptedTicket(next.Reply)
	return nil
}

// proveTicket asks the verifier and the directory.
func (v *visit) proveTicket(acceptor *spnego.Acceptor, token []byte) (spnego.Turn, error) {
	ctx, cancel := v.deadline()
	defer cancel()
	v.from, v.by = v.door.tickets, byTicket
	principal, established, err := v.from.TicketVerifier().VerifyTicket(ctx, token, v.channel())
	if err != nil {
		return spnego.Turn{}, err
	}
	if err := v.spendElsewhere(ctx, established); err != nil {
		_ = principal.Close()
		return spnego.Turn{}, err
	}
	if err := v.resolve(ctx, principal); err != nil {
		return spnego.Turn{}, err
	}
	var signs spnego.Integrity
	if established.Signs() {
		signs = established
	}
	turn, err := acceptor.Complete(established.Reply(), signs)
	if errors.Is(err, spnego.ErrUnprotected) {
		v.recordUnprotected(acceptor)
		turn, err = acceptor.CompleteUnprotected(established.Reply())
	}
	if err != nil {
		return spnego.Turn{}, v.negotiationError(err)
	}
	return turn, nil
}

// owe sends a token that the client has to answer before it is let in.
func (v *visit) owe(acceptor *spnego.Acceptor, reply []byte) error {
	if v.seated == nil || v.barrier != noBarrier {
		return &identity.Error{Kind: identity.KindState, Err: errTwoLegs, Hint: "The client does not offer Kerberos first; let it use HTTP/1.1, without a proxy."}
	}
	proven, verifier, claimed := v.id, v.verifier, v.claimed
	v.id, v.loggedIn = nil, false
	if err := v.drainLeg(); err != nil {
		return err
	}
	h, err := v.startHandshake(false)
	if err != nil {
		return err
	}
	h.scheme, h.acceptor, h.proven, h.verifier, h.claimed, h.meant = v.scheme, acceptor, proven, verifier, claimed, v.meant
	if do, _ := v.step(eventIssued, held{handshake: h}); do != doKeep {
		return identity.Fail(identity.KindState, errGone)
	}
	conn, key := v.seated, v.door.seats.Key()
	h.arm(v.door.limits.handshake, func() { conn.step(key, eventDeadline, held{handshake: h}) })
	return &owed{reply, "mic_owed"}
}
