package caddyldap

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Namespace is where the verifiers are.
const Namespace = "ldap.verifiers"

// Verifier is a guest module of ldap.verifiers. It is an
// identity.PasswordVerifier, an identity.NTLMVerifier, or both.
type Verifier interface {
	caddy.Module
	// Attach gives the verifier the directory whose controllers it asks. It is
	// called once, when the configuration is loaded, and does no I/O.
	Attach(d *Directory) error
}

// DefaultVerifiers are the names of those that serve a directory which names
// none.
func DefaultVerifiers() []string { return []string{nameBind, nameRelay} }

// The verifiers' names in the configuration.
const (
	nameBind  = "bind"
	nameRelay = "relay"
)

// Serves reports what a verifier, named as in the configuration, can decide:
// passwords (Basic) and NTLM. Both are false for one that does not exist.
func Serves(verifier string) (password, ntlm bool) {
	info, err := caddy.GetModule(Namespace + "." + verifier)
	if err != nil {
		return false, false
	}
	module := info.New()
	_, password = module.(identity.PasswordVerifier)
	_, ntlm = module.(identity.NTLMVerifier)
	return password, ntlm
}
