package caddyntlm

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// quota bounds how many handshakes are half-open, or passwords asked about:
// each may hold a connection to a controller, and a stranger opens one with a
// single small request. One
// address has a share of its own, so that it cannot lock out the others.
type quota struct {
	limit, perAddress int64
	taken             atomic.Int64

	mu        sync.Mutex
	addresses map[netip.Prefix]int64 // those that hold a place
}

func newQuota(limit, perAddress int64) *quota {
	return &quota{limit: limit, perAddress: perAddress, addresses: make(map[netip.Prefix]int64)}
}

// place is a place in a quota. Its holder leaves it once.
type place struct {
	quota   *quota
	address netip.Prefix
}

const (
	hintPending        = "More handshakes are half open than max_pending allows: somebody floods the site, or the controllers are slow."
	hintAsking         = "More passwords are with the controllers than may be: somebody floods the site, or the controllers are slow."
	hintPendingAddress = "More handshakes from this address are half open than max_pending allows: it floods the site, or many clients share it; then raise the second number, or name the proxy in trusted_proxies."
)

// enter takes a place for an address; the zero prefix is an address that is not
// known and counts in all only. Connections on which somebody was logged in
// find twice the number of places: they log in again, as some browsers do before
// each POST, while strangers fill what strangers may have.
func (q *quota) enter(address netip.Prefix, known bool) (*place, error) {
	times := int64(1)
	if known {
		times = 2
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case address.IsValid() && q.addresses[address] >= times*q.perAddress:
		return nil, &identity.Error{Kind: identity.KindTooManyPending, Hint: hintPendingAddress}
	case q.taken.Load() >= times*q.limit:
		return nil, &identity.Error{Kind: identity.KindTooManyPending, Hint: hintPending}
	}
	q.taken.Add(1)
	if address.IsValid() {
		q.addresses[address]++
	}
	return &place{quota: q, address: address}, nil
}

func (p *place) leave() {
	q := p.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken.Add(-1)
	if !p.address.IsValid() {
		return
	}
	if q.addresses[p.address]--; q.addresses[p.address] == 0 {
		delete(q.addresses, p.address)
	}
}

// clientNetwork is whom a request counts for: the client's address as Caddy has
// it, which believes a header from trusted proxies only. IPv6 clients choose
// among the addresses of a /64, so that is what they are.
func clientNetwork(r *http.Request) netip.Prefix {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if text == "" {
		text, _, _ = net.SplitHostPort(r.RemoteAddr) // no address counts in all only
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}
	}
	address = address.Unmap().WithZone("")
	bits := 64
	if address.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(address, bits).Masked()
}
