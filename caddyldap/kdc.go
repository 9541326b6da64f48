package caddyldap

import (
	"context"
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// explainKDC gives what went wrong at a log-in by KDC its kind and its cure.
// Everything about the proof of the KDC is a technical failure: the user's
// password may well be right, and nobody can tell.
func explainKDC(err error) error {
	fail := func(kind identity.Kind, hint string) error { return &identity.Error{Kind: kind, Hint: hint, Err: err} }
	refusal, refused := errors.AsType[*krb.Refusal](err)
	switch {
	case errors.Is(err, krb.ErrUnreachable):
		return fail(identity.KindUnavailable, hintNoKDC)
	case refused:
		kind, hint := readRefusal(refusal)
		return &identity.Error{Kind: kind, Server: refusal.KDC, Hint: hint, Err: err}
	case errors.Is(err, krb.ErrUnproven):
		return fail(readProof(err))
	case errors.Is(err, krb.ErrEtype):
		return fail(identity.KindEtype, hintUserAES)
	case errors.Is(err, krb.ErrCredential):
		return fail(identity.KindKeytab, "krb5_conf cannot be used")
	case errors.Is(err, krb.ErrMalformed):
		return fail(identity.KindProtocol, "what answers on port 88 does not speak Kerberos properly")
	case errors.Is(err, context.DeadlineExceeded):
		return fail(identity.KindTimeout, "the KDCs answer too slowly, or not at all: is port 88 (TCP) open?")
	}
	return err
}

// readProof tells an old keytab and a wrong clock from a KDC that is none.
func readProof(err error) (identity.Kind, string) {
	switch {
	case errors.Is(err, krb.ErrNoKey):
		return identity.KindKeytab, "the service account's password was set anew after the keytab was written: write it again (ktpass, msktutil or samba-tool domain exportkeytab)"
	case errors.Is(err, krb.ErrEtype):
		return identity.KindKeytab, hintServiceAES
	case errors.Is(err, krb.ErrClock), errors.Is(err, krb.ErrExpired):
		return identity.KindClock, hintClock
	case errors.Is(err, krb.ErrPAC):
		return identity.KindUnproven, "the KDC has written a PAC into its ticket that is not of this ticket, or that it has not signed: is it a domain controller? Nobody is let in meanwhile"
	}
	return identity.KindUnproven, "the KDC has no key of the keytab: somebody stands in for it, or the spn is on another account than the keytab's (setspn -Q). Nobody is let in meanwhile"
}

// What lacks an AES key, and the cure.
const (
	hintServiceAES = "let the service account have AES keys: set msDS-SupportedEncryptionTypes to 24 and its password anew, and write the keytab again"
	hintUserAES    = "the account has no AES keys: its password must be set anew since the domain learnt AES, and msDS-SupportedEncryptionTypes must not leave AES out"
)

const hintNoKDC = "no KDC answers: is port 88 (TCP) of the domain controllers open to this machine, and does krb5_conf, where there is one, name them?"

const hintClock = "the clocks of this machine and of the KDC differ by more than five minutes: set this one by NTP"

// readRefusal reads a KRB-ERROR, by the NTSTATUS first, which says more.
func readRefusal(r *krb.Refusal) (identity.Kind, string) {
	aboutService := r.Service != ""
	switch r.Code {
	case krb.CodeSkew, krb.CodeNeverValid: // a ticket of one hour from now would have ended
		return identity.KindClock, hintClock
	case krb.CodeServiceUnavailable:
		return identity.KindBusy, "the KDC says that it cannot serve now"
	case krb.CodeServiceUnknown:
		return identity.KindKeytab, "no account of the domain has this spn: setspn -Q, and write spn or the keytab anew"
	case krb.CodeClientUnknown, krb.CodePreauthFailed, krb.CodeBadIntegrity:
		if aboutService {
			break
		}
		return identity.KindBadCredentials, ""
	case krb.CodeWrongRealm: // referrals, RFC 6806 7, are not followed: the keytab proves one realm's KDCs
		if aboutService {
			break
		}
		return identity.KindBadCredentials, "the KDC says that the name is of another realm: users of that one need an ldap directory of their own"
	case krb.CodePreauthRequired, krb.CodePadataType:
		if aboutService {
			break
		}
		return identity.KindRestricted, "the KDC wants more of this account than a password: a smart card, a one-time code, or FAST"
	case krb.CodeClientExpired, krb.CodeClientNotYet, krb.CodePolicy, krb.CodeClientRevoked, krb.CodeKeyExpired:
		if kind, ok := accountStatuses[r.Status]; ok {
			return kind, ""
		}
		return accountCodes[r.Code].kind, accountCodes[r.Code].hint
	case krb.CodeEtype:
		if aboutService {
			return identity.KindKeytab, hintServiceAES
		}
		return identity.KindEtype, hintUserAES
	}
	return identity.KindProtocol, "the KDC refuses what it should not: RFC 4120 7.5.9 lists its codes"
}

// accountCodes are what a KDC's code alone says about an account, RFC 4120 7.5.9.
var accountCodes = map[int32]struct {
	kind identity.Kind
	hint string
}{
	krb.CodeClientExpired: {identity.KindAccountExpired, ""},
	krb.CodeClientNotYet:  {identity.KindRestricted, "the account's time has not begun"},
	krb.CodePolicy:        {identity.KindRestricted, ""},
	krb.CodeClientRevoked: {identity.KindDisabled, "the KDC does not say whether the account is disabled, locked, expired or outside its hours: look at it in the directory"},
	krb.CodeKeyExpired:    {identity.KindPasswordExpired, "the password has expired or must be changed first: the KDC does not say which"},
}

// accountStatuses are the NTSTATUS values that Active Directory adds, [MS-ERREF]
// 2.3.1.
var accountStatuses = map[uint32]identity.Kind{
	0xC000006E: identity.KindRestricted,      // STATUS_ACCOUNT_RESTRICTION
	0xC000006F: identity.KindLogonHours,      // STATUS_INVALID_LOGON_HOURS
	0xC0000070: identity.KindWorkstation,     // STATUS_INVALID_WORKSTATION
	0xC0000071: identity.KindPasswordExpired, // STATUS_PASSWORD_EXPIRED
	0xC0000072: identity.KindDisabled,        // STATUS_ACCOUNT_DISABLED
	0xC0000193: identity.KindAccountExpired,  // STATUS_ACCOUNT_EXPIRED
	0xC0000224: identity.KindMustChange,      // STATUS_PASSWORD_MUST_CHANGE
	0xC0000234: identity.KindLocked,          // STATUS_ACCOUNT_LOCKED_OUT
	0xC0000413: identity.KindRestricted,      // STATUS_AUTHENTICATION_FIREWALL_FAILED
}
