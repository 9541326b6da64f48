package caddyntlm

import (
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

const (
	// defaultHeaders is what Caddy makes of an absent max_header_size.
	defaultHeaders = 16 << 10
	// negotiateHeaders is room for a token of maxSPNEGO in base64, and for what
	// else a request carries.
	negotiateHeaders = 128 << 10
)

// makeRoom lets the server take the tokens of Negotiate: the ticket that a member
// of many groups sends in hope is larger than all headers may be by default. What
// an administrator configured stays.
func (h *Handler) makeRoom(server *caddyhttp.Server) {
	if slices.Contains(h.offered, schemeNegotiate) && server.MaxHeaderBytes == defaultHeaders {
		server.MaxHeaderBytes = negotiateHeaders
		h.log.Info("the server takes 128 KiB of request headers, for the tickets of people in many groups",
			zap.String("hint", "max_header_size in the block servers says otherwise"))
	}
}
