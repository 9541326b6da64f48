package caddyldap

import (
	"cmp"
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
)

// Server is one controller or directory server.
type Server struct {
	// An RFC 4516 URL, or a bare host, which means ldaps://host. A path is a
	// base DN.
	URL string `json:"url"`
	// The name in the server's certificate, where it is not the URL's host.
	ServerName string `json:"server_name,omitempty"`
}

// TLS says which certificates of the servers are believed.
type TLS struct {
	// The authorities to believe, a module of Caddy's tls.ca_pool.source.
	// Default: the operating system's.
	TrustPoolRaw json.RawMessage `json:"trust_pool,omitempty" caddy:"namespace=tls.ca_pool.source inline_key=provider"`
	// The name in the servers' certificates, for all of them. Default: the host
	// of each URL.
	ServerName string `json:"server_name,omitempty"`
	// Believe any certificate. Whoever stands between this server and the
	// controller reads every password and lets anybody in.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// ServiceAccount is the account that looks identities up again when their
// owners' connections are gone. It needs to read users and groups, no more.
type ServiceAccount struct {
	// How it binds: simple, ntlm (no password crosses the wire) or kerberos.
	Mechanism string `json:"mechanism,omitempty"`
	// DOMAIN\name, user@suffix or, with simple, a DN.
	Name string `json:"name,omitempty"`
	// The password; {file.…} and {env.…} keep it out of the configuration.
	Secret string `json:"secret,omitempty"`
	// With kerberos, a keytab file instead of name and secret.
	Keytab string `json:"keytab,omitempty"`
	// Which key of the keytab: name@REALM. Default: its first.
	Principal string `json:"principal,omitempty"`
	// With kerberos, a cache file in which another program, such as k5start,
	// keeps a ticket fresh, instead of name and secret.
	CCache string `json:"ccache,omitempty"`
	// With kerberos, a krb5.conf. Default: the realm is dns_domain, its KDCs are
	// the servers.
	Krb5Conf string `json:"krb5_conf,omitempty"`
}

// shown names the account in errors.
func (a *ServiceAccount) shown() string {
	return cmp.Or(a.Name, a.Principal, a.Keytab, a.CCache)
}

// Timeout bounds the talk with a server. One deadline of 10 s holds over all
// of an authentication.
type Timeout struct {
	// Connecting and TLS with one server. Default: 1.5s.
	Dial caddy.Duration `json:"dial,omitempty"`
	// One question and its answer. Default: 4s.
	Request caddy.Duration `json:"request,omitempty"`
}
