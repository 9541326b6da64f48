package caddyntlm

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// throughProxy reports whether a request came through a proxy, which may send
// the requests of several clients over one connection. It is careful in one
// direction only: a client that forges such a header loses the log-in of its
// own connection and gains nothing.
func throughProxy(r *http.Request) bool {
	if throughTrusted(r) {
		return true
	}
	for name := range r.Header {
		switch {
		case name == "Via", name == "Forwarded", name == "X-Real-Ip":
			return true
		case strings.HasPrefix(name, "X-Forwarded-"):
			return true
		}
	}
	return false
}

// throughTrusted reports whether the peer is one of Caddy's trusted_proxies,
// whose word about the client's address Caddy takes.
func throughTrusted(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// shares reports whether the connection of a request may carry the requests of
// several clients.
func (h *Handler) shares(r *http.Request) bool {
	return throughProxy(r) && !h.pinned(r)
}

// pinned reports whether the peer is a proxy that the configuration trusts to
// keep one connection a client, and the only proxy on the way: one before it
// would be its client, with many clients of its own. No header makes a peer out
// of a request; more of them only take the trust away.
func (h *Handler) pinned(r *http.Request) bool {
	if len(h.oneToOne) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	for _, p := range h.oneToOne {
		if p.Contains(address) {
			return hops(r.Header) <= 1
		}
	}
	return false
}

// hops counts the proxies that a request tells of, RFC 9110 7.6.3 and RFC 7239
// 4. A comma inside a comment or a quoted string counts too, which errs on the
// careful side. X-Real-IP holds one address, and a proxy that adds nothing to it
// hands on its forerunner's: where it is not the client that X-Forwarded-For tells
// of, or stands beside the headers of proxies that do not set it, it is of one more.
func hops(header http.Header) int {
	most := 0
	for _, name := range [...]string{"Via", "Forwarded", "X-Forwarded-For"} {
		most = max(most, entries(header[name]))
	}
	shown := entries(header["X-Real-Ip"])
	if shown == 1 && most > 0 && !tellsSameClient(header) {
		shown += most
	}
	return max(most, shown)
}

func entries(lines []string) (n int) {
	for _, line := range lines {
		n += 1 + strings.Count(line, ",")
	}
	return n
}

// tellsSameClient reports whether X-Real-IP and X-Forwarded-For name one address, as
// those of a proxy do that sets both, and no other header tells of a proxy.
func tellsSameClient(header http.Header) bool {
	if len(header["Via"])+len(header["Forwarded"]) > 0 || len(header["X-Forwarded-For"]) != 1 {
		return false
	}
	before, err := netip.ParseAddr(strings.TrimSpace(header["X-Real-Ip"][0]))
	if err != nil {
		return false
	}
	client, err := netip.ParseAddr(strings.TrimSpace(header["X-Forwarded-For"][0]))
	return err == nil && client == before
}

// settleOneToOne reads the addresses of one_to_one.
func (h *Handler) settleOneToOne() error {
	for _, text := range h.OneToOne {
		prefix, err := ParseOneToOne(text)
		if err != nil {
			return err
		}
		h.oneToOne = append(h.oneToOne, prefix)
	}
	return nil
}

// ParseOneToOne reads an address or a network in CIDR notation. Not everybody is
// a proxy: a network of all addresses is an error.
func ParseOneToOne(text string) (netip.Prefix, error) {
	prefix, err := caddyhttp.CIDRExpressionToPrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("one_to_one: %q is neither an address nor a network such as 192.0.2.0/24", text)
	}
	if prefix.Bits() == 0 {
		return netip.Prefix{}, fmt.Errorf("one_to_one: %s takes every peer for a proxy that keeps one connection a client; name the proxies", text)
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("one_to_one: write %s as IPv4", text)
	}
	return prefix.Masked(), nil
}
