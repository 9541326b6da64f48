package caddyntlm

import (
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// identifyKnown serves a request without Authorization.
func (v *visit) identifyKnown() error {
	if outer := answerOf(v.r.Context()); outer != nil && outer.id != nil && v.door.has(outer.from) {
		// An outer windows_auth knows the same directory and has taken the
		// credential out of the request.
		if err := v.holdKnown(outer.remembered()); err != nil {
			return err
		}
		v.conn, v.from = outer.conn, outer.from
		v.credential.password, v.print = outer.credential.password, outer.print
		v.claimed, v.loggedIn = outer.claimed, outer.loggedIn
		v.verifier, v.server = outer.verifier, outer.server
		v.session, v.bySession = outer.session, outer.bySession
		v.takeCode(outer)
		return nil
	}
	do, known := v.step(eventNothing, held{})
	if found, err := v.identifySession(); found || err != nil {
		return err
	}
	if do != doIdentify {
		return identity.Fail(identity.KindNoCredentials, nil)
	}
	if err := v.holdKnown(known); err != nil {
		return err
	}
	v.from = v.door.seats
	return v.keepCurrent()
}

func (h *Handler) has(d directory) bool {
	return slices.ContainsFunc(h.directories, func(own directory) bool { return own.Key() == d.Key() })
}
