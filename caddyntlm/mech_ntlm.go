package caddyntlm

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// NTLM over HTTP, [MS-NTHT]: the connection is authenticated, in two rounds.

// owed is the error of a log-in that is not over: the client owes an answer to
// our token.
type owed struct {
	token  []byte
	reason string // for the log
}

func (*owed) Error() string { return "the client owes the answer to a challenge" }

var (
	errGone        = errors.New("the connection ended")
	errOtherScheme = errors.New("the handshake began with another scheme, or where another extended_protection or ntlm holds")
)

func (v *visit) identifyNTLM() error {
	message := v.credential.message
	kind, err := ntlm.TypeOf(message)
	switch {
	case err != nil:
		return v.misuse(kindOfType(kind), err)
	case kind == ntlm.TypeNegotiate && len(message) > maxNegotiate:
		return v.misuse(identity.KindOversize, fmt.Errorf("a Type 1 of %d bytes", len(message)))
	case v.seated == nil || kind == ntlm.TypeNegotiate && v.barrier != noBarrier:
		return v.misuseBarrier()
	case kind == ntlm.TypeNegotiate:
		do, before := v.step(eventNegotiate, held{})
		if do != doStart {
			return identity.Fail(identity.KindState, nil)
		}
		return v.issue(nil, nil, before.id != nil)
	case kind == ntlm.TypeAuthenticate:
		return v.authenticate()
	}
	return v.misuse(identity.KindState, nil) // a Type 2 is for servers to send
}

// kindOfType is the kind of failure of a message whose type TypeOf refuses: one
// of no type at all is no message, one of a type that no exchange has can be in
// no place of one.
func kindOfType(t ntlm.MessageType) identity.Kind {
	if t == 0 {
		return identity.KindBadToken
	}
	return identity.KindState
}

func (v *visit) misuseBarrier() error {
	hint := ""
	switch v.barrier {
	case identity.KindHTTP11Required:
		v.door.noticeHTTP2(v)
		hint = hintHTTP2
	case identity.KindProxySeen:
		hint = hintProxy
	case identity.KindNotPersistent:
		v.door.noticeClosing(v.start)
		hint = hintClosing
	}
	v.step(eventMisuse, held{})
	return &identity.Error{Kind: v.barrier, Hint: hint}
}

// issue answers a Type 1 with a Type 2, inside an acceptor's token where there is
// an acceptor. Without a Type 1 the answer is the token given. Whoever was known
// on the connection no longer is, from the first moment on and whatever comes of
// it; known says whether there was somebody.
func (v *visit) issue(acceptor *spnego.Acceptor, token []byte, known bool) error {
	defer v.step(eventRefused, held{}) // changes nothing once the Type 2 is issued
	if err := v.drainLeg(); err != nil {
		return err
	}
	h, err := v.startHandshake(known)
	if err != nil {
		return err
	}
	h.scheme, h.acceptor, h.known = v.scheme, acceptor, known
	reply, err := h.reply(token)
	if err != nil {
		h.close()
		return err
	}
	if do, _ := v.step(eventIssued, held{handshake: h}); do != doKeep {
		return identity.Fail(identity.KindState, errGone)
	}
	conn, key := v.seated, v.door.seats.Key()
	h.arm(v.door.limits.handshake, func() { conn.step(key, eventDeadline, held{handshake: h}) })
	return reply
}

// startHandshake takes a place and, with a Type 1 at hand, asks a verifier for a
// challenge. The place goes to the handshake, or back.
func (v *visit) startHandshake(known bool) (*handshake, error) {
	place, err := v.door.pending.enter(clientNetwork(v.r), known)
	if err != nil {
		return nil, err
	}
	var h *handshake
	defer func() {
		if h == nil {
			place.leave()
		}
	}()
	if v.credential.message == nil {
		h = &handshake{place: place, demand: v.demand()}
		return h, nil
	}
	ctx, cancel := v.deadline()
	defer cancel()
	v.asked = true
	began := v.door.now() // not v.start: the client has sent a body meanwhile
	exchange, err := v.door.ntlm.NTLMVerifier().StartNTLM(ctx, v.credential.message, v.channel())
	if err != nil {
		return nil, err
	}
	h = &handshake{exchange: exchange, place: place, demand: v.demand(), took: v.door.now().Sub(began)}
	return h, nil
}

// authenticate gives a Type 3 to the exchange that waits for it. The request's
// body is left for the application.
func (v *visit) authenticate() error {
	h, err := v.resume()
	if err != nil {
		return err
	}
	defer v.step(eventRefused, held{}) // changes nothing once somebody is accepted
	defer h.close()
	return v.finish(h)
}

// resume takes the handshake that waits for the client out of the seat. The
// caller closes it and says what came of it. It goes on in the scheme it began
// with, and is held to what it was held to then.
func (v *visit) resume() (*handshake, error) {
	do, waiting := v.step(eventAuthenticate, held{})
	switch {
	case do != doFinish && v.seated.expired(v.door.seats.Key()):
		return nil, identity.Fail(identity.KindHandshakeTimeout, nil)
	case do != doFinish:
		return nil, identity.Fail(identity.KindState, nil)
	case waiting.handshake.scheme != v.scheme, waiting.handshake.demand != v.demand():
		waiting.handshake.close()
		v.step(eventRefused, held{})
		return nil, identity.Fail(identity.KindState, errOtherScheme)
	}
	return waiting.handshake, nil
}

// finish gives the Type 3 to the exchange, where the throttle lets it.
func (v *visit) finish(h *handshake) error {
	ctx, cancel := v.deadline()
	defer cancel()
	v.from, v.by, v.earlier = v.door.ntlm, byNTLM, h.took
	if err := v.readClaimed(); err != nil {
		return err
	}
	err := v.guarded(ctx, v.claimed, identity.Secret{}, func(ctx context.Context) error {
		principal, err := h.exchange.Finish(ctx, v.credential.message)
		if err != nil {
			v.tellUnfit(h, err)
			return err
		}
		return v.resolve(ctx, principal)
	})
	if err != nil {
		return err
	}
	if err := v.conclude(h); err != nil {
		return err
	}
	if do, _ := v.step(eventAccepted, v.remembered()); do != doKeep {
		return identity.Fail(identity.KindState, errGone)
	}
	v.tellUse(h)
	return nil
}
