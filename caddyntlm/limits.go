package caddyntlm

import (
	"fmt"
	"time"
)

// MaxPending bounds how many NTLM handshakes are half open: begun by a client
// and not ended. Each holds a connection to a controller. Over a bound a new
// log-in is answered 503; whoever is logged in goes on.
type MaxPending struct {
	// In all. Default: 512.
	Total int64 `json:"total,omitempty"`
	// From one client address, which for IPv6 is its /64 network. It is the
	// client's own address where trusted_proxies names the proxies in front.
	// Default: 32, or total where that is less.
	PerAddress int64 `json:"per_address,omitempty"`
}

// settleLimits checks the configured limits and puts them in the place of the
// default ones.
func (h *Handler) settleLimits() error {
	h.limits = defaultLimits()
	switch {
	case h.HandshakeTimeout < 0:
		return fmt.Errorf("handshake_timeout: %v is less than nothing", time.Duration(h.HandshakeTimeout))
	case h.HandshakeTimeout > 0:
		h.limits.handshake = time.Duration(h.HandshakeTimeout)
	}
	switch {
	case h.MaxBody < 0:
		return fmt.Errorf("max_body: %d is less than nothing", h.MaxBody)
	case h.MaxBody > 0:
		h.limits.body = h.MaxBody
	}
	if err := h.MaxPending.settle(&h.limits); err != nil {
		return err
	}
	h.pending = newQuota(h.limits.pending, h.limits.share)
	h.asking = newQuota(h.limits.asking, h.limits.asking/2)
	return nil
}

func (m *MaxPending) settle(l *limits) error {
	if m == nil {
		return nil
	}
	if m.Total < 0 || m.PerAddress < 0 {
		return fmt.Errorf("max_pending: %d %d: neither may be less than nothing", m.Total, m.PerAddress)
	}
	if m.Total > 0 {
		l.pending = m.Total
		l.share = min(l.share, l.pending)
	}
	if m.PerAddress > l.pending {
		return fmt.Errorf("max_pending: %d for one address is more than the %d in all", m.PerAddress, l.pending)
	}
	if m.PerAddress > 0 {
		l.share = m.PerAddress
	}
	return nil
}
