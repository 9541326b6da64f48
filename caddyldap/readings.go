package caddyldap

import (
	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// credentialReadings say what Active Directory means by result 49: the number
// after "data", else the one at the start. Names as in [MS-ERREF] 2.1 and 2.2.
var credentialReadings = map[uint64]struct {
	kind identity.Kind
	hint string
}{
	0x52E:      {identity.KindBadCredentials, ""},                                                                                                                                                                     // ERROR_LOGON_FAILURE
	0x525:      {identity.KindBadCredentials, ""},                                                                                                                                                                     // ERROR_NO_SUCH_USER
	0x52F:      {identity.KindRestricted, "the account may not log in this way: Protected Users and authentication policies forbid NTLM"},                                                                             // ERROR_ACCOUNT_RESTRICTION
	0x530:      {identity.KindLogonHours, "the account's logon hours exclude this time"},                                                                                                                              // ERROR_INVALID_LOGON_HOURS
	0x531:      {identity.KindWorkstation, "the account's Log On To list (userWorkstations) leaves out the client"},                                                                                                   // ERROR_INVALID_WORKSTATION
	0x532:      {identity.KindPasswordExpired, "the password has expired"},                                                                                                                                            // ERROR_PASSWORD_EXPIRED
	0x533:      {identity.KindDisabled, "the account is disabled"},                                                                                                                                                    // ERROR_ACCOUNT_DISABLED
	0x569:      {identity.KindRestricted, "the account lacks the right to log on over the network"},                                                                                                                   // ERROR_LOGON_TYPE_NOT_GRANTED
	0x701:      {identity.KindAccountExpired, "the account has expired"},                                                                                                                                              // ERROR_ACCOUNT_EXPIRED
	0x773:      {identity.KindMustChange, "the user must change the password first (pwdLastSet is 0)"},                                                                                                                // ERROR_PASSWORD_MUST_CHANGE
	0x775:      {identity.KindLocked, "the account is locked out after too many wrong passwords"},                                                                                                                     // ERROR_ACCOUNT_LOCKED_OUT
	0x78F:      {identity.KindRestricted, "selective authentication: the account may not log on to this controller"},                                                                                                  // ERROR_AUTHENTICATION_FIREWALL_FAILED
	0x57:       {identity.KindBadToken, "the client's answer fits another challenge or was changed on the way (wrong MIC)"},                                                                                           // ERROR_INVALID_PARAMETER
	0x51F:      {identity.KindBusy, "the controller reaches no logon server of the account's domain"},                                                                                                                 // ERROR_NO_LOGON_SERVERS
	0x6FB:      {identity.KindUnavailable, "the controller's trust with the account's domain is broken"},                                                                                                              // ERROR_NO_TRUST_SAM_ACCOUNT
	0x6FD:      {identity.KindUnavailable, "the controller's trust with the account's domain is broken"},                                                                                                              // ERROR_TRUSTED_RELATIONSHIP_FAILURE
	0x791:      {identity.KindNTLMBlocked, "NTLM is disabled by domain policy: use Kerberos, or let Basic through with schemes basic"},                                                                                // ERROR_NTLM_BLOCKED
	0x80090346: {identity.KindChannelBinding, "the controller enforces LDAP channel binding (LdapEnforceChannelBinding), which a relay cannot satisfy: use verify netlogon or Kerberos, and schemes basic meanwhile"}, // SEC_E_BAD_BINDINGS
}

// The cures that stand in several lines.
const (
	hintSigning       = "the controller requires LDAP signing, which NTLM relay and simple binds over ldap:// cannot give: write ldaps:// or starttls"
	hintSigningTLS    = "the controller requires signing even over TLS (ldap server require strong auth = yes): set allow_sasl_over_tls there, or use verify netlogon or Kerberos"
	hintClientSigning = "this client's NTLM asks for signing, which a relay cannot give: leave negotiate out of schemes, or use verify netlogon"
	hintBusy          = "the controller is busy or shutting down; another one is asked next"
	hintBindName      = "the server wants distinguished names to bind with: is it no Active Directory?"
	hintMechanism     = "the server does not speak SASL GSS-SPNEGO, so NTLM cannot be relayed to it: write verify bind alone"
	hintPlain         = "the server wants TLS: write ldaps:// or starttls"
	hintReferral      = "the server refers to another one, which is never followed: name that one on the server line, or mend base_dn"
	hintBase          = "no such entry: base_dn is not in this directory"
	hintRights        = "the account that searches may not read this: it needs read access to users and groups"
)

// resultReadings say what a result code means, RFC 4511 A.2, by what was being
// done. The first line that fits holds.
var resultReadings = [...]struct {
	code      uint16
	at        stage
	plainOnly bool // without TLS
	kind      identity.Kind
	hint      string
}{
	{ldap.LDAPResultStrongAuthRequired, binding | relaying | searching, true, identity.KindSigningRequired, hintSigning},
	{ldap.LDAPResultStrongAuthRequired, binding | relaying | searching, false, identity.KindSigningRequired, hintSigningTLS},
	{ldap.LDAPResultUnwillingToPerform, relaying, false, identity.KindClientSigning, hintClientSigning},
	{ldap.LDAPResultUnwillingToPerform, binding, false, identity.KindRestricted, "the server is unwilling to let this account bind"},
	{ldap.LDAPResultSaslBindInProgress, relaying, false, identity.KindClientSigning, hintClientSigning},
	{ldap.LDAPResultAuthMethodNotSupported, relaying, false, identity.KindProtocol, hintMechanism},
	{ldap.LDAPResultConfidentialityRequired, binding | relaying | searching, false, identity.KindTLS, hintPlain},
	{ldap.LDAPResultBusy, dialing | binding | relaying | searching, false, identity.KindBusy, hintBusy},
	{ldap.LDAPResultUnavailable, dialing | binding | relaying | searching, false, identity.KindBusy, hintBusy},
	{ldap.LDAPResultTimeLimitExceeded, searching, false, identity.KindTimeout, "the search takes too long at the server"},
	{ldap.LDAPResultAdminLimitExceeded, searching, false, identity.KindBusy, "the search is too large for the server's limits"},
	{ldap.LDAPResultInvalidDNSyntax, binding, false, identity.KindBadCredentials, hintBindName},
	{ldap.LDAPResultNoSuchObject, binding, false, identity.KindBadCredentials, ""},
	{ldap.LDAPResultInappropriateAuthentication, binding, false, identity.KindBadCredentials, ""},
	{ldap.LDAPResultConstraintViolation, binding, false, identity.KindLocked, "the server's password policy refuses the account for now"},
	{ldap.LDAPResultInsufficientAccessRights, binding, false, identity.KindRestricted, "the server does not let this account bind"},
	{ldap.LDAPResultReferral, binding | relaying | searching, false, identity.KindProtocol, hintReferral},
	{ldap.LDAPResultNoSuchObject, searching, false, identity.KindProtocol, hintBase},
	{ldap.LDAPResultInvalidDNSyntax, searching, false, identity.KindProtocol, hintBase},
	{ldap.LDAPResultInsufficientAccessRights, searching, false, identity.KindProtocol, hintRights},
	{ldap.LDAPResultOperationsError, searching, false, identity.KindProtocol, "the server wants a bind before a search: " + hintRights},
	{ldap.LDAPResultProtocolError, dialing, false, identity.KindTLS, "the server does not know StartTLS: write ldaps://, or give it a certificate"},
}
