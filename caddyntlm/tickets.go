package caddyntlm

import (
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// What Negotiate may choose from, settled when the configuration loads.

// ticketDirectory is the first directory that verifies tickets, or nil.
func (h *Handler) ticketDirectory() directory {
	for _, d := range h.directories {
		if d.TicketVerifier() != nil {
			return d
		}
	}
	return nil
}

// ntlmDirectory is the first directory that verifies NTLM, or nil; nil too where the
// site turns NTLM away.
func (h *Handler) ntlmDirectory() directory {
	if h.refusesNTLM() {
		return nil
	}
	for _, d := range h.directories {
		if d.NTLMVerifier() != nil {
			return d
		}
	}
	return nil
}

// settleNegotiate finds who serves what of the offered schemes. NTLM inside
// Negotiate is offered beside Kerberos where the schemes are written down, or the
// verifier takes clients that ask for signing, as most do under Negotiate.
func (h *Handler) settleNegotiate() {
	negotiates := slices.Contains(h.offered, schemeNegotiate)
	if negotiates {
		h.tickets = h.ticketDirectory()
	}
	if slices.Contains(h.offered, schemeNTLM) || negotiates {
		h.ntlm = h.ntlmDirectory()
	}
	if h.tickets != nil {
		h.mechanisms = append(h.mechanisms, spnego.Mechanism{OID: spnego.Kerberos})
	}
	if negotiates && h.ntlm != nil && (len(h.Schemes) > 0 || h.tickets == nil || takesSigning(h.ntlm)) {
		h.mechanisms = append(h.mechanisms, spnego.Mechanism{OID: spnego.NTLMSSP, Keyless: !knowsKey(h.ntlm)})
	}
	if h.ntlm != nil && !slices.Contains(h.offered, schemeNTLM) && !slices.ContainsFunc(h.mechanisms, isNTLM) {
		h.ntlm = nil
	}
	h.seats = h.ntlm
	if h.seats == nil {
		h.seats = h.tickets
	}
}

// knowsKey reports whether a directory's NTLM comes with the session key, by which a
// client can be asked to sign its list of mechanisms.
func knowsKey(d directory) bool {
	v, ok := d.NTLMVerifier().(identity.KeyedVerifier)
	return ok && v.KnowsKey()
}

func isNTLM(m spnego.Mechanism) bool { return m.OID == spnego.NTLMSSP }
