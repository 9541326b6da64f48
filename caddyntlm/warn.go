package caddyntlm

import (
	"slices"

	"go.uber.org/zap"
)

// warn says, when the configuration is loaded, what is known then to trouble users and is
// no error.
func (h *Handler) warn() {
	for _, o := range h.Foresee(len(h.server.TLSConnPolicies) > 0) {
		h.log.Warn(o.Text, zap.String("word", o.About), zap.Strings("listen", h.server.Listen),
			zap.String("directory", h.names()), zap.String("hint", o.Hint))
	}
	h.warnSpeaksNTLM()
	h.warnOfPage()
	if h.Throttle.isOff() {
		h.log.Warn("throttle is off: wrong passwords of this site reach the controllers uncounted, so that whoever reaches it can lock the domain's accounts",
			zap.String("hint", "Leave out throttle off, unless strangers cannot reach this site."))
	}
	if slices.Contains(h.offered, schemeNegotiate) && h.tickets == nil && !takesSigning(h.ntlm) {
		h.log.Warn("negotiate is served by NTLM alone", zap.String("directory", h.ntlm.Name()), zap.String("hint", hintNegotiate))
	}
	if len(h.directories) > 1 && h.ntlm != nil {
		h.log.Info("NTLM serves one of several directories: its challenge goes out before the client names a domain",
			zap.String("directory", h.ntlm.Name()))
	}
}
