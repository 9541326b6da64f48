package caddyntlm

import (
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// identifyBasic serves a name and password, RFC 7617. It authenticates the
// request and not the connection, which only remembers that this very
// credential was right.
func (v *visit) identifyBasic() error {
	if !v.mayBasic() {
		v.step(eventMisuse, held{})
		return &identity.Error{
			Kind:    identity.KindScheme,
			Claimed: v.claimed,
			Hint:    "A password arrived without TLS and was not looked at; serve the site over HTTPS, or say insecure_basic.",
		}
	}
	v.step(eventBasic, held{})
	name, password := v.credential.name, v.credential.password
	if err := checkTyped(name, password); err != nil {
		return err
	}
	v.from = v.door.passwordDirectory(name)
	if v.conn != nil {
		v.print = v.conn.table.fingerprintOf(v.from.Key(), name, password)
	}
	if id := v.conn.recall(v.print); id != nil {
		v.id = id
		return v.keepCurrent()
	}
	return v.verifyPassword()
}

// checkTyped refuses what no controller is asked about.
func checkTyped(name identity.Name, password identity.Secret) error {
	if err := name.Check(); err != nil {
		return err
	}
	// Where strings end at NUL, a password that begins with one is empty.
	if password.Blank() || strings.ContainsRune(password.Reveal(), 0) {
		return identity.Fail(identity.KindEmptyPassword, nil)
	}
	return nil
}

// verifyPassword asks a controller, and remembers a yes.
func (v *visit) verifyPassword() error {
	// Each holds a connection to a controller, for as long as that takes.
	place, err := v.door.asking.enter(clientNetwork(v.r), v.id != nil)
	if err != nil {
		return &identity.Error{Kind: identity.KindTooManyPending, Hint: hintAsking}
	}
	defer place.leave()
	ctx, cancel := v.deadline()
	defer cancel()
	v.asked = true
	principal, err := v.from.PasswordVerifier().VerifyPassword(ctx, v.claimed, v.credential.password)
	if err == nil {
		v.proven = true
		err = v.resolve(ctx, principal)
	}
	if err == nil && v.scheme == schemeBasic {
		v.conn.remember(v.print, v.id)
	}
	return err
}
