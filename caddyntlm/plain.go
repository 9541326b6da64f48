package caddyntlm

import (
	"slices"

	"go.uber.org/zap"
)

const hintPlain = "Serve the site over HTTPS: an address without http://, with tls internal or a certificate of its own. Or write insecure_basic, and passwords travel in the clear."

// warnPlain says, when the configuration is loaded, that Basic was asked for
// where no connection has TLS. It is no error: one site may have both http and
// https addresses, and a listener wrapper may bring TLS that does not show.
func (h *Handler) warnPlain() {
	if h.InsecureBasic || len(h.server.TLSConnPolicies) > 0 || !slices.Contains(h.offered, schemeBasic) {
		return
	}
	var message string
	switch {
	case len(h.offered) == 1:
		message = "nobody can log in: Basic alone is offered, it needs HTTPS, and this server speaks plain HTTP"
	case len(h.Schemes) > 0:
		message = "schemes names basic, which needs HTTPS and is not offered: this server speaks plain HTTP"
	default:
		return // NTLM serves, and nobody has asked for Basic
	}
	h.log.Warn(message, zap.Strings("listen", h.server.Listen), zap.String("directory", h.names()), zap.String("hint", hintPlain))
}
