package caddyldap

import (
	"errors"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Namespace is where the verifiers are.
const Namespace = "ldap.verifiers"

// Verifier is a guest module of ldap.verifiers. It is at least one of an
// identity.PasswordVerifier, an identity.NTLMVerifier and an
// identity.TicketVerifier.
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
	nameBind             = "bind"
	nameRelay            = "relay"
	nameKeytab           = "keytab"
	nameKerberosPassword = "kerberos_password"
	nameNetlogon         = "netlogon"
	nameSMB              = "smb"
)

// Service is what a verifier can decide.
type Service struct{ Password, NTLM, Ticket bool }

// Serves reports what a verifier, named as in the configuration, can decide:
// nothing where it does not exist.
func Serves(verifier string) (s Service) {
	info, err := caddy.GetModule(Namespace + "." + verifier)
	if err != nil {
		return s
	}
	module := info.New()
	_, s.Password = module.(identity.PasswordVerifier)
	_, s.NTLM = module.(identity.NTLMVerifier)
	_, s.Ticket = module.(identity.TicketVerifier)
	return s
}

// checkTyped refuses what no controller is asked about: no password, and names that
// no account has.
func checkTyped(name identity.Name, password identity.Secret) error {
	if password.Blank() {
		return identity.Fail(identity.KindEmptyPassword, nil)
	}
	if strings.HasPrefix(strings.TrimSpace(name.String()), "<") {
		return &identity.Error{
			Kind: identity.KindBadName, Err: errBrackets,
			Hint: "such a name is a DN of Active Directory, <SID=…> or <GUID=…>, behind which anything may stand; the log-in name is wanted",
		}
	}
	return name.Check()
}

// errBrackets is about names that are one to controllers, whatever stands behind the
// bracket, [MS-ADTS] 3.1.1.3.1.2.4: nobody could count whose password is tried by them.
var errBrackets = errors.New("a name that begins with a bracket")
