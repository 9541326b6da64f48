package caddyldap

import (
	"errors"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Errors in the response control of a bind, draft-behera-ldap-password-policy-10
// 6.2.
const (
	policyExpired    = 0 // passwordExpired
	policyLocked     = 1 // accountLocked
	policyMustChange = 2 // changeAfterReset
)

// checkPolicy refuses a bind whose password is only good to be changed. Servers
// with password policies say success to it and mean that nothing but a new
// password is allowed on the connection; Active Directory says no. Beside a
// refusal the control says why.
func checkPolicy(result *ldap.SimpleBindResult, refused error) error {
	if result == nil {
		return refused
	}
	for _, control := range result.Controls {
		kind, hint := policyReading(control)
		if kind == identity.KindInternal {
			continue
		}
		if refused == nil {
			refused = errors.New("the server says success and that nothing but another password may be set")
		}
		// Servers look at a lockout before the password, and at the rest after it.
		return &identity.Error{Kind: kind, Err: refused, Hint: hint, Proven: kind != identity.KindLocked}
	}
	return refused
}

func policyReading(control ldap.Control) (identity.Kind, string) {
	switch c := control.(type) {
	case *ldap.ControlVChuPasswordMustChange: // 389 Directory Server
		if c.MustChange {
			return identity.KindMustChange, "the user must change the password first"
		}
	case *ldap.ControlBeheraPasswordPolicy:
		switch c.Error {
		case policyExpired:
			return identity.KindPasswordExpired, "the password has expired"
		case policyLocked:
			return identity.KindLocked, "the account is locked out after too many wrong passwords"
		case policyMustChange:
			return identity.KindMustChange, "the user must change the password first (pwdReset is TRUE)"
		}
	}
	return identity.KindInternal, ""
}
