package caddyfile

import (
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

const ntlmUsage = "ntlm allow|warn|refuse"

// readNTLM reads what becomes of clients that come by NTLM.
func readNTLM(a *handler, l line) error {
	if !slices.Contains(caddyntlm.NTLMWords, l.args[0].Text) {
		return unknown(l.args[0], "word", "ntlm", caddyntlm.NTLMWords)
	}
	a.NTLM = l.args[0].Text
	if a.NTLM == caddyntlm.NTLMRefuse {
		a.refused = &l.word
	}
	return nil
}

// checkRetired refuses a site that turns NTLM away and lets nobody in otherwise, and
// schemes in which it leaves nothing.
func (a *handler) checkRetired(verifiers []string) error {
	if a.refused == nil {
		return nil
	}
	tickets := slices.ContainsFunc(verifiers, func(name string) bool { return caddyldap.Serves(name).Ticket })
	passwords := slices.ContainsFunc(verifiers, func(name string) bool { return caddyldap.Serves(name).Password })
	for _, at := range a.schemes {
		switch {
		case at.Text == "ntlm":
			return errorAt(at, "the scheme ntlm and ntlm refuse at %s: take one of them out", place(*a.refused))
		case at.Text == "negotiate" && !tickets:
			return errorAt(at, "ntlm refuse at %s leaves Kerberos alone in the scheme negotiate, and no verifier of the site's directories serves it: write verify keytab, or take negotiate out", place(*a.refused))
		}
	}
	if !tickets && !passwords {
		return errorAt(*a.refused, "ntlm refuse leaves no way in: with it a site needs verify keytab, for Kerberos, or verify bind or kerberos_password, for Basic")
	}
	return nil
}
