package caddyntlm

import (
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

const hintPlain = "Serve the site over HTTPS: an address without http://, with tls internal or a certificate of its own. Or write insecure_basic, and passwords travel in the clear."

// foreseePlain says that Basic was asked for where no connection has TLS. It is no error: one
// site may have both http and https addresses, and a listener wrapper may bring TLS that does
// not show.
func (h *Handler) foreseePlain(overTLS bool) []caddyldap.Observation {
	if h.InsecureBasic || overTLS || !slices.Contains(h.offered, schemeBasic) {
		return nil
	}
	o := caddyldap.Observation{Level: caddyldap.Faulty, About: "schemes", Hint: hintPlain}
	switch {
	case len(h.offered) == 1:
		o.Text = "nobody can log in: Basic alone is offered, it needs HTTPS, and this server speaks plain HTTP"
	case len(h.Schemes) > 0:
		o.Level, o.Text = caddyldap.Notable, "schemes names basic, which needs HTTPS and is not offered: this server speaks plain HTTP"
	default:
		return nil // NTLM serves, and nobody has asked for Basic
	}
	return []caddyldap.Observation{o}
}
