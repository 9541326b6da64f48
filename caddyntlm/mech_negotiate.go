package caddyntlm

import (
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// Negotiate over HTTP, RFC 4559. A ticket is one round, see mech_ticket.go. NTLM
// inside is the handshake of the scheme NTLM, in the same phases, with SPNEGO
// around each message; a client that would rather have had what is not here is
// told first what it is to be, which is one round more.

var (
	errNoNegotiate = errors.New("neither SPNEGO nor NTLM nor Kerberos")
	errNotItsTurn  = errors.New("an NTLM message out of turn")
)

const hintNegotiate = "There is no verify keytab for Kerberos, and a client whose NTLM asks for signing, as that of Windows does under Negotiate, is answered 503: leave negotiate out of schemes unless yours ask for none."

const hintKerberos = "This client offers Kerberos and no NTLM, and the directory has no verify keytab; write one, or let the client use NTLM, or Basic over TLS."

func (v *visit) identifyNegotiate() error {
	switch token := v.credential.message; spnego.KindOf(token) {
	case spnego.KindUnknown:
		return v.misuse(identity.KindBadToken, errNoNegotiate)
	case spnego.KindResp:
		return v.continueNegotiation()
	case spnego.KindNTLMSSP:
		if kind, _ := ntlm.TypeOf(token); kind == ntlm.TypeAuthenticate {
			return v.continueNegotiation()
		}
	}
	return v.openNegotiation()
}

// openNegotiation answers a client's first token. Whoever was known on the
// connection no longer is.
func (v *visit) openNegotiation() error {
	acceptor := spnego.NewAcceptor(v.door.mechanisms...)
	turn, err := acceptor.Step(v.credential.message)
	v.credential.message = nil // a token for another mechanism is nobody's
	if err == nil && turn.Need == spnego.Run && acceptor.Mechanism() == spnego.Kerberos {
		return v.acceptTicket(acceptor, turn.Token)
	}
	if err == nil && turn.Need == spnego.Run {
		err = v.unwrap(turn.Token, ntlm.TypeNegotiate)
	}
	switch {
	case err != nil:
		v.step(eventMisuse, held{})
		return v.negotiationError(err)
	case v.seated == nil || v.barrier != noBarrier:
		return v.misuseBarrier()
	}
	do, before := v.step(eventNegotiate, held{})
	if do != doStart {
		return identity.Fail(identity.KindState, nil)
	}
	return v.issue(acceptor, turn.Reply, before.id != nil)
}

// continueNegotiation answers the client's next token: a Type 3, or a Type 1
// from a client that had to be told about NTLM first.
func (v *visit) continueNegotiation() error {
	if v.seated == nil {
		return v.misuseBarrier()
	}
	h, err := v.resume()
	if err != nil {
		return err
	}
	defer v.step(eventRefused, held{}) // changes nothing once the client has its answer
	defer h.close()
	due := ntlm.TypeAuthenticate
	if h.exchange == nil {
		due = ntlm.TypeNegotiate
	}
	turn, err := h.acceptor.Step(v.credential.message)
	if err == nil && h.acceptor.Mechanism() == spnego.Kerberos {
		return v.continueTicket(h, turn)
	}
	if err == nil {
		err = v.unwrap(turn.Token, due)
	}
	switch {
	case err != nil:
		return v.negotiationError(err)
	case h.exchange != nil:
		return v.finish(h)
	case v.barrier != noBarrier:
		return v.misuseBarrier()
	}
	h.close() // its place goes to the handshake that comes
	return v.issue(h.acceptor, nil, h.known)
}

// unwrap takes the NTLM message out of a token.
func (v *visit) unwrap(message []byte, due ntlm.MessageType) error {
	kind, err := ntlm.TypeOf(message)
	limit := maxAuthenticate
	if due == ntlm.TypeNegotiate {
		limit = maxNegotiate
	}
	switch {
	case err != nil:
		return identity.Fail(kindOfType(kind), err)
	case kind != due:
		return identity.Fail(identity.KindState, errNotItsTurn)
	case len(message) > limit:
		return identity.Fail(identity.KindOversize, fmt.Errorf("a Type %d of %d bytes", due, len(message)))
	}
	v.credential.message = message
	return nil
}

// negotiationError gives an error of the acceptor its kind.
func (v *visit) negotiationError(err error) error {
	if none, ok := errors.AsType[*spnego.NoMechanismError](err); ok {
		if v.door.refusesNTLM() && offersNTLMAlone(none.Offered) {
			return v.turnAway(none.Offered)
		}
		hint := ""
		if slices.ContainsFunc(none.Offered, isKerberos) {
			hint = hintKerberos
		}
		return &identity.Error{Kind: identity.KindScheme, Hint: hint, Err: err}
	}
	switch {
	case errors.Is(err, spnego.ErrUnexpected):
		return identity.Fail(identity.KindState, err)
	case errors.Is(err, spnego.ErrMalformed), errors.Is(err, spnego.ErrRejected), errors.Is(err, spnego.ErrMIC):
		return identity.Fail(identity.KindBadToken, err)
	}
	return err
}

func isKerberos(mech spnego.OID) bool {
	return mech.Mechanism() == spnego.Kerberos || mech == spnego.UserToUser
}

// conclude ends the negotiation around a handshake whose client is who it says,
// and keeps the token that tells the client so.
func (v *visit) conclude(h *handshake) error {
	if h.acceptor == nil {
		return nil
	}
	var signs spnego.Integrity
	if x, ok := h.exchange.(identity.SigningExchange); ok && x.Signs() {
		signs = x
	}
	turn, err := h.acceptor.Complete(nil, signs)
	if errors.Is(err, spnego.ErrUnprotected) {
		v.recordUnprotected(h.acceptor)
		turn, err = h.acceptor.CompleteUnprotected(nil)
	}
	if err != nil {
		return v.negotiationError(err)
	}
	v.final = turn.Reply
	return nil
}

// recordUnprotected writes that the client's list of mechanisms is not proven to
// be its own: who stands between may have struck something out of it.
func (v *visit) recordUnprotected(acceptor *spnego.Acceptor) {
	c := v.door.log.Check(zapcore.DebugLevel, "mechListMIC not checked: there is no session key")
	if c == nil {
		return
	}
	offered := make([]string, len(acceptor.Offered()))
	for i, mech := range acceptor.Offered() {
		offered[i] = mech.Name()
	}
	c.Write(zap.String("conn", v.conn.String()), zap.Strings("offered", offered))
}
