package identity

import "strconv"

// Kind is a kind of failure. It decides what the client is told (the door has
// one table from Kind to HTTP status) and is the word after reason= in the log.
//
// A wrong credential and a technical failure are different kinds and never
// share a status: a dead controller is not a password prompt.
type Kind uint8

// The kinds. The groups follow what the client may conclude from them.
const (
	// KindInternal is a failure nobody foresaw. The zero value, so that an
	// error that forgot to say its kind fails closed.
	KindInternal Kind = iota

	// What the client sent cannot be used, whatever a controller thinks of it.

	KindNoCredentials  // nothing was sent: the first request of every client
	KindMalformed      // a header or base64 that cannot be decoded
	KindOversize       // a token over its limit
	KindBadToken       // decodes, and is not a proper token
	KindState          // a proper token at the wrong time: Type 3 first, Type 2 from a client
	KindScheme         // a scheme that this site does not offer
	KindBodyTooLarge   // a request body over the cap during a handshake
	KindHTTP11Required // a connection scheme on HTTP/2 or HTTP/3
	KindProxySeen      // a connection scheme on a connection that a proxy may share
	KindNotPersistent  // a connection scheme on a connection that closes after the answer
	KindAnonymous      // an anonymous log-in, which controllers gladly accept
	KindNTLMv1         // NTLMv1, LM or NTLM2 session security
	KindNTLMRefused    // NTLM, where the site turns it away
	KindEmptyPassword  // an empty or blank password: LDAP would answer "success"
	KindBadName        // a name no directory can hold: NUL, control characters, too long

	KindReplay        // a ticket's request that was accepted before
	KindSkew          // the client's clock and ours differ too much
	KindTicketExpired // a ticket that is not valid now
	KindEtype         // a ticket of an enctype that is refused
	KindService       // a ticket for another service
	KindPAC           // a PAC that nobody vouches for
	KindProtection    // meant for another server: extended protection
	KindSession       // a session or key that has ended, or never was
	KindForm          // a form that no page of this site sent, or one that is too old

	// What the controller says about the account.

	KindBadCredentials  // wrong password or unknown user: no controller tells which
	KindGuestMapped     // the controller let the user in as guest or anonymous
	KindMismatch        // the controller's answer names somebody else than it should
	KindDisabled        // account disabled
	KindAccountExpired  // account expired
	KindLocked          // account locked out
	KindPasswordExpired // password expired
	KindMustChange      // password must be changed first
	KindPasswordChanged // the password was changed since the log-in
	KindLogonHours      // not at this hour
	KindWorkstation     // not from this workstation
	KindRestricted      // Protected Users, authentication policy
	KindAmbiguous       // the name fits more than one entry
	KindNotFound        // proven, but no such account under the configured base DNs

	// The user is known and may not.

	KindDenied     // no rule allows it
	KindRealm      // a ticket proves somebody of a realm that is not accepted
	KindNoIdentity // require was reached without an identity: a configuration mistake

	// Technical failures: nobody's password is to blame.

	KindUnavailable      // no controller answers
	KindBusy             // the controller says busy or unavailable
	KindTimeout          // the deadline passed
	KindTLS              // the controller's certificate or TLS version is refused
	KindProtocol         // the controller's answer cannot be understood
	KindSigningRequired  // the controller wants LDAP signing on this connection
	KindClientSigning    // the client's NTLM asks for signing, which a relay cannot give
	KindChannelBinding   // the controller enforces LDAP channel binding
	KindNTLMBlocked      // NTLM is disabled in the domain
	KindServiceAccount   // the service account cannot bind
	KindCannotRefresh    // nothing can look the identity up again
	KindTooManyPending   // too many half-open handshakes
	KindHandshakeTimeout // the client took too long between Type 1 and Type 3
	KindKeytab           // the keytab cannot be read, or lacks the ticket's key
	KindUnproven         // a KDC that cannot prove itself by the keytab
	KindClock            // our clock and the KDC's differ too much
	KindSecureChannel    // the machine account gets no secure channel to a controller
	KindStore            // the store of what outlives a request does not answer
	kindEnd
)

var kindNames = [kindEnd]string{
	KindInternal:         "internal",
	KindNoCredentials:    "no_credentials",
	KindMalformed:        "malformed",
	KindOversize:         "oversize",
	KindBadToken:         "bad_token",
	KindState:            "state",
	KindScheme:           "scheme_not_offered",
	KindBodyTooLarge:     "body_cap",
	KindHTTP11Required:   "http11_required",
	KindProxySeen:        "proxy_seen",
	KindNotPersistent:    "not_persistent",
	KindAnonymous:        "anonymous",
	KindNTLMv1:           "ntlmv1_refused",
	KindNTLMRefused:      "ntlm_refused",
	KindEmptyPassword:    "empty_password",
	KindBadName:          "bad_name",
	KindBadCredentials:   "bad_credentials",
	KindGuestMapped:      "guest_mapped",
	KindMismatch:         "identity_mismatch",
	KindDisabled:         "disabled",
	KindAccountExpired:   "account_expired",
	KindLocked:           "locked",
	KindPasswordExpired:  "password_expired",
	KindMustChange:       "must_change",
	KindPasswordChanged:  "password_changed",
	KindLogonHours:       "logon_hours",
	KindWorkstation:      "workstation",
	KindRestricted:       "restriction",
	KindAmbiguous:        "ambiguous",
	KindNotFound:         "not_found",
	KindDenied:           "denied",
	KindNoIdentity:       "no_identity",
	KindUnavailable:      "unavailable",
	KindBusy:             "busy",
	KindTimeout:          "timeout",
	KindTLS:              "tls",
	KindProtocol:         "protocol",
	KindSigningRequired:  "signing_required",
	KindClientSigning:    "client_signing",
	KindChannelBinding:   "channel_binding",
	KindNTLMBlocked:      "ntlm_blocked",
	KindServiceAccount:   "svc_bind",
	KindCannotRefresh:    "cannot_refresh",
	KindTooManyPending:   "too_many_pending",
	KindHandshakeTimeout: "handshake_timeout",
	KindReplay:           "replay",
	KindSkew:             "skew",
	KindTicketExpired:    "ticket_expired",
	KindEtype:            "etype",
	KindService:          "sname",
	KindPAC:              "pac",
	KindProtection:       "epa",
	KindRealm:            "realm",
	KindKeytab:           "keytab",
	KindUnproven:         "kdc_unproven",
	KindClock:            "clock",
	KindSecureChannel:    "secure_channel",
	KindSession:          "session",
	KindForm:             "forged_form",
	KindStore:            "store",
}

// String is the word for the log's reason field.
func (k Kind) String() string {
	if k < kindEnd && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind_" + strconv.Itoa(int(k))
}

// AboutAccount reports whether a kind is what a controller says about an account
// or a name, and so no technical failure and nothing that the client got wrong
// before anybody was asked.
func (k Kind) AboutAccount() bool { return k >= KindBadCredentials && k <= KindNotFound }

// Kinds lists every kind, for tables that must be complete.
func Kinds() []Kind {
	kinds := make([]Kind, kindEnd)
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}
