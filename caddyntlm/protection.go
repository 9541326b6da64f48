package caddyntlm

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// Extended Protection for Authentication: a log-in by NTLM or Kerberos is held to
// the connection and the service that its client meant, so that a server in between
// cannot pass it on.

// The words of extended_protection.
const (
	protectionOff     = "off"
	protectionAllow   = "allow"
	protectionRequire = "require"
)

// Protections are the words of extended_protection, the default first.
var Protections = []string{protectionAllow, protectionOff, protectionRequire}

// settleProtection checks the words of extended protection and makes them ready.
func (h *Handler) settleProtection() error {
	if h.ExtendedProtection != "" && !slices.Contains(Protections, h.ExtendedProtection) {
		return fmt.Errorf("extended_protection: unknown word %s; known: %s", h.ExtendedProtection, strings.Join(Protections, ", "))
	}
	for _, text := range h.AcceptBinding {
		b, err := ParseBinding(text)
		if err != nil {
			return err
		}
		h.bindings = append(h.bindings, b)
	}
	for _, host := range h.AcceptTarget {
		if err := CheckTarget(host); err != nil {
			return err
		}
	}
	if h.ExtendedProtection == protectionOff && len(h.AcceptBinding)+len(h.AcceptTarget) > 0 {
		return fmt.Errorf("extended_protection off looks at no accept_binding and no accept_target: take one of them away")
	}
	h.demand = fmt.Sprint(cmp.Or(h.ExtendedProtection, protectionAllow), h.bindings, h.AcceptTarget, cmp.Or(h.NTLM, NTLMAllow))
	return nil
}

// ParseBinding reads what accept_binding names, in hexadecimal, with or without
// colons: the hash of a certificate of 32, 48 or 64 bytes, RFC 5929 4.1, or a channel
// binding of 16 as the log shows it.
func ParseBinding(text string) ([16]byte, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	switch {
	case err == nil && len(raw) == 16:
		return [16]byte(raw), nil
	case err == nil && (len(raw) == 32 || len(raw) == 48 || len(raw) == 64):
		return ntlm.EndPointBindingOf(raw), nil
	}
	return [16]byte{}, fmt.Errorf("accept_binding: %.80q is neither the hash of a certificate, as openssl x509 -noout -fingerprint -sha256 shows it, nor a channel binding of 16 bytes", text)
}

// CheckTarget refuses what accept_target cannot name: it takes a host.
func CheckTarget(host string) error {
	if host == "" || strings.ContainsAny(host, "/:@ *") {
		return fmt.Errorf("accept_target: %.80q is no host: write web.example.com, the part behind HTTP/", host)
	}
	return nil
}

// channel is what a log-in in this request is held to, nil for nothing.
func (v *visit) channel() *identity.Channel {
	h := v.door
	if h.ExtendedProtection == protectionOff {
		return nil
	}
	c := &identity.Channel{Required: h.ExtendedProtection == protectionRequire, Bindings: h.bindings, Targets: h.AcceptTarget}
	if c.TLS = ownTLS(v.r); c.TLS {
		end := endOf(v.r)
		c.Bindings = slices.Concat(h.endpointBindings(end, endpointFresh), h.bindings)
		c.Again = func() [][16]byte { return slices.Concat(h.endpointBindings(end, 0), h.bindings) }
	}
	return c
}

// demand is what is asked of a log-in in this request: by the door's words, and where TLS
// was asked for another host by that of the request.
func (v *visit) demand() string {
	if ownTLS(v.r) {
		if host, other := otherHost(v.r); other {
			return fmt.Sprintf("%s %.255s", v.door.demand, strings.ToLower(host)) // no certificate is of a longer one
		}
	}
	return v.door.demand
}

// ownTLS reports whether the client's TLS ends here, as far as anybody knows: behind
// a proxy that Caddy trusts it ends there.
func ownTLS(r *http.Request) bool { return r.TLS != nil && !throughTrusted(r) }

// noteEndpoint remembers at the first request of a connection which certificates
// were to be shown when it began: one may be renewed under it.
func (v *visit) noteEndpoint() {
	if v.door.ExtendedProtection != protectionOff && ownTLS(v.r) && v.conn.first() {
		v.door.endpointCertificates(endOf(v.r), endpointFresh)
	}
}

// holdKnown takes somebody who is known already: on the connection, or to an outer
// windows_auth. Where something else was asked of the log-in than is here, or by another
// host it may have been, it is held to that now, by what its client said then.
func (v *visit) holdKnown(known held) error {
	s := known.said
	if s == nil {
		s = new(said)
	}
	if known.by == byNTLM && v.door.refusesNTLM() {
		return &identity.Error{Kind: identity.KindNTLMRefused, Err: errKnownByNTLM, Hint: "The client has to log in here by what this site offers."}
	}
	elsewhere := known.by != byPassword && s.demand != v.demand()
	if elsewhere {
		if err := v.channel().Check(s.meant); err != nil {
			return err
		}
	}
	v.id, v.scheme, v.by, v.meant = known.id, known.scheme, known.by, s.meant
	if elsewhere && v.by == byNTLM && v.door.reportsNTLM() {
		v.tellUse(nil)
	}
	return nil
}

// remembered is what a connection remembers of who is there.
func (v *visit) remembered() held {
	return held{id: v.id, scheme: v.scheme, by: v.by, said: v.saying()}
}

// saying is what the client has said: mostly what the one before it said, and that is
// kept once.
func (v *visit) saying() *said {
	now := said{v.meant, v.demand()}
	if last := v.door.conns.said.Load(); last != nil && last.is(now) {
		return last
	}
	v.door.conns.said.Store(&now)
	return &now
}

func (s *said) is(other said) bool {
	a, b := s.meant.Binding, other.meant.Binding
	return (a == nil) == (b == nil) && (a == nil || *a == *b) && s.meant.Target == other.meant.Target && s.demand == other.demand
}
