package caddyntlm

import (
	"slices"

	"go.uber.org/zap"
)

// warn says, when the configuration is loaded, what is known then to trouble users and is
// no error.
func (h *Handler) warn() {
	h.warnPlain()
	h.warnSpeaksNTLM()
	h.warnOfCodes()
	if slices.Contains(h.offered, schemeNegotiate) && h.tickets == nil && !takesSigning(h.ntlm) {
		h.log.Warn("negotiate is served by NTLM alone", zap.String("directory", h.ntlm.Name()), zap.String("hint", hintNegotiate))
	}
	if len(h.directories) > 1 && h.ntlm != nil {
		h.log.Info("NTLM serves one of several directories: its challenge goes out before the client names a domain",
			zap.String("directory", h.ntlm.Name()))
	}
}
