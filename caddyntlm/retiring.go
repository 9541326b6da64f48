package caddyntlm

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// For those who are retiring NTLM: let in as ever, let in and tell, turn away.

// The words of ntlm.
const (
	NTLMAllow  = "allow"
	NTLMWarn   = "warn"
	NTLMRefuse = "refuse"
)

// NTLMWords are the words of ntlm, the default first.
var NTLMWords = []string{NTLMAllow, NTLMWarn, NTLMRefuse}

const hintSpeaksNTLM = "Clients send no NTLM here, but the verifier makes an NTLM log-in of each password, so controllers go on seeing it: write verify bind or verify kerberos_password instead."

var (
	errKnownByNTLM = errors.New("logged in by NTLM on this connection, where another ntlm word holds")
	errNothingLeft = errors.New("ntlm refuse leaves no way in: with it a site needs verify keytab, for Kerberos, or verify bind or kerberos_password, for Basic")
)

func (h *Handler) settleNTLM() error {
	if h.NTLM != "" && !slices.Contains(NTLMWords, h.NTLM) {
		return fmt.Errorf("ntlm: unknown word %s; known: %s", h.NTLM, strings.Join(NTLMWords, ", "))
	}
	return nil
}

func (h *Handler) refusesNTLM() bool { return h.NTLM == NTLMRefuse }
func (h *Handler) reportsNTLM() bool { return h.NTLM == NTLMWarn }

// checkRetired refuses a scheme in which ntlm refuse leaves nothing.
func (h *Handler) checkRetired(s scheme) error {
	switch {
	case !h.refusesNTLM():
	case s == schemeNTLM:
		return errors.New("schemes names ntlm, which ntlm refuse turns away: take one of them out")
	case s == schemeNegotiate && h.ticketDirectory() == nil:
		return fmt.Errorf("schemes names negotiate, and ntlm refuse leaves Kerberos alone in it, which no verifier of %s serves: write verify keytab, or take negotiate out", h.names())
	}
	return nil
}

// warnSpeaksNTLM says, when the configuration is loaded, that passwords still become
// NTLM on the way to a controller.
func (h *Handler) warnSpeaksNTLM() {
	if !h.refusesNTLM() || !slices.Contains(h.offered, schemeBasic) {
		return
	}
	for _, d := range h.directories {
		if _, speaks := d.PasswordVerifier().(identity.NTLMVerifier); speaks {
			h.log.Warn("ntlm refuse: Basic is still an NTLM log-in for the controllers",
				zap.String("directory", d.Name()), zap.String("hint", hintSpeaksNTLM))
		}
	}
}

// unoffered is the error of a credential whose scheme the site does not offer.
func (v *visit) unoffered() error {
	v.step(eventMisuse, held{})
	if mechs, brings := v.bringsNTLM(); brings && v.door.refusesNTLM() {
		return v.turnAway(mechs)
	}
	return identity.Fail(identity.KindScheme, nil)
}

// bringsNTLM reports whether the credential is NTLM alone, and the mechanisms that it
// offers in SPNEGO.
func (v *visit) bringsNTLM() (mechs []spnego.OID, brings bool) {
	switch {
	case v.scheme == schemeNTLM:
		return nil, true
	case v.scheme != schemeNegotiate:
		return nil, false
	case spnego.KindOf(v.credential.message) == spnego.KindNTLMSSP:
		return nil, true
	}
	opening, err := spnego.ParseInit(v.credential.message)
	if err != nil {
		return nil, false
	}
	mechs = opening.MechTypes.OIDs()
	return mechs, offersNTLMAlone(mechs)
}

// offersNTLMAlone reports whether NTLM is the one of a client's mechanisms that a
// server of this kind may know.
func offersNTLMAlone(mechs []spnego.OID) bool {
	return slices.Contains(mechs, spnego.NTLMSSP) && !slices.ContainsFunc(mechs, isKerberos)
}

// turnAway is the error of a client that comes by NTLM where ntlm refuse stands. It
// says why the client did not come by Kerberos, as far as that shows.
func (v *visit) turnAway(mechs []spnego.OID) error {
	why := causeOf(v.circumstances(mechs))
	return &identity.Error{Kind: identity.KindNTLMRefused, Err: errors.New(why.text), Hint: why.cure}
}
