package caddyntlm

import (
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// NTLM over HTTP, [MS-NTHT]: the connection is authenticated, in two rounds.

// owed is the error of a log-in that is not over: the client owes a Type 3.
type owed struct{ challenge []byte }

func (*owed) Error() string { return "the client owes the answer to a challenge" }

var errGone = errors.New("the connection ended")

func (v *visit) identifyNTLM() error {
	message := v.credential.message
	kind, err := ntlm.TypeOf(message)
	switch {
	case err != nil:
		return v.misuse(identity.KindBadToken, err)
	case kind == ntlm.TypeNegotiate && len(message) > maxNegotiate:
		return v.misuse(identity.KindOversize, fmt.Errorf("a Type 1 of %d bytes", len(message)))
	case v.seated == nil || kind == ntlm.TypeNegotiate && v.barrier != noBarrier:
		return v.misuseBarrier()
	case kind == ntlm.TypeNegotiate:
		return v.negotiate()
	case kind == ntlm.TypeAuthenticate:
		return v.authenticate()
	}
	return v.misuse(identity.KindState, nil) // a Type 2 is for servers to send
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
		hint = "A client or a proxy closes each connection after its answer; NTLM needs it kept open."
	}
	v.step(eventMisuse, held{})
	return &identity.Error{Kind: v.barrier, Hint: hint}
}

// negotiate answers a Type 1. Whoever was known on the connection no longer is,
// from the first moment on and whatever comes of it.
func (v *visit) negotiate() error {
	do, before := v.step(eventNegotiate, held{})
	if do != doStart {
		return identity.Fail(identity.KindState, nil)
	}
	defer v.step(eventRefused, held{}) // changes nothing once the Type 2 is issued
	if err := v.drainLeg(); err != nil {
		return err
	}
	h, err := v.startHandshake(before.id != nil)
	if err != nil {
		return err
	}
	challenge := h.exchange.Challenge()
	// The verifier's bytes belong to the exchange, which ends when it likes.
	reply := &owed{challenge: append([]byte(nil), challenge...)}
	if do, _ := v.step(eventIssued, held{handshake: h}); do != doKeep {
		return identity.Fail(identity.KindState, errGone)
	}
	conn, key := v.seated, v.door.ntlm.Key()
	h.arm(v.door.limits.handshake, func() { conn.step(key, eventDeadline, held{handshake: h}) })
	return reply
}

// startHandshake takes a place and asks a verifier for a challenge. The place
// goes to the handshake, or back.
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
	ctx, cancel := v.deadline()
	defer cancel()
	v.asked = true
	began := v.door.now() // not v.start: the client has sent a body meanwhile
	exchange, err := v.door.ntlm.NTLMVerifier().StartNTLM(ctx, v.credential.message, nil)
	if err != nil {
		return nil, err
	}
	h = &handshake{exchange: exchange, place: place, took: v.door.now().Sub(began)}
	return h, nil
}

// authenticate gives a Type 3 to the exchange that waits for it. The request's
// body is left for the application.
func (v *visit) authenticate() error {
	key := v.door.ntlm.Key()
	do, waiting := v.step(eventAuthenticate, held{})
	if do != doFinish {
		if v.seated.expired(key) {
			return identity.Fail(identity.KindHandshakeTimeout, nil)
		}
		return identity.Fail(identity.KindState, nil)
	}
	defer v.step(eventRefused, held{}) // changes nothing once somebody is accepted
	defer waiting.handshake.close()
	ctx, cancel := v.deadline()
	defer cancel()
	v.from, v.asked, v.earlier = v.door.ntlm, true, waiting.handshake.took
	principal, err := waiting.handshake.exchange.Finish(ctx, v.credential.message)
	if err != nil {
		return err
	}
	if err := v.resolve(ctx, principal); err != nil {
		return err
	}
	if do, _ := v.step(eventAccepted, held{id: v.id}); do != doKeep {
		return identity.Fail(identity.KindState, errGone)
	}
	return nil
}
