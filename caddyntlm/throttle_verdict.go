package caddyntlm

import (
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// verdict is what a failure says about the password that a controller was asked about.
type verdict uint8

const (
	// saysNothing: no controller has judged the password, or it was right and somebody
	// may not log in all the same. Active Directory says disabled, expired and the like
	// to the right password alone; its own count stands, and so does ours. Who says it of
	// any password, isSaidOfAny tells.
	saysNothing verdict = iota
	// saysWrong: it was wrong, or proves nobody.
	saysWrong
	// saysLocked: the domain lets nobody in, whatever the password. More of them change
	// nothing at the controllers, and guessers wait.
	saysLocked
)

// verdicts are those of every kind. A kind that counts nothing must be one that no guess
// can bring about.
var verdicts = map[identity.Kind]verdict{
	identity.KindBadCredentials: saysWrong,
	identity.KindGuestMapped:    saysWrong, // nobody's account: a guess at a name
	identity.KindAmbiguous:      saysWrong, // may come before the password is looked at
	identity.KindLocked:         saysLocked,

	// The password was right.
	identity.KindDisabled:        saysNothing,
	identity.KindAccountExpired:  saysNothing,
	identity.KindPasswordExpired: saysNothing,
	identity.KindMustChange:      saysNothing,
	identity.KindPasswordChanged: saysNothing,
	identity.KindLogonHours:      saysNothing,
	identity.KindWorkstation:     saysNothing,
	identity.KindRestricted:      saysNothing,
	identity.KindMismatch:        saysNothing,
	identity.KindNotFound:        saysNothing,
	identity.KindClientSigning:   saysNothing, // said after the password was looked at
	identity.KindSigningRequired: saysNothing,

	// Nobody was asked about it.
	identity.KindNoCredentials:  saysNothing,
	identity.KindMalformed:      saysNothing,
	identity.KindOversize:       saysNothing,
	identity.KindBadToken:       saysNothing,
	identity.KindState:          saysNothing,
	identity.KindScheme:         saysNothing,
	identity.KindBodyTooLarge:   saysNothing,
	identity.KindHTTP11Required: saysNothing,
	identity.KindProxySeen:      saysNothing,
	identity.KindNotPersistent:  saysNothing,
	identity.KindAnonymous:      saysNothing,
	identity.KindNTLMv1:         saysNothing,
	identity.KindNTLMRefused:    saysNothing,
	identity.KindEmptyPassword:  saysNothing,
	identity.KindBadName:        saysNothing,
	identity.KindReplay:         saysNothing,
	identity.KindSkew:           saysNothing,
	identity.KindTicketExpired:  saysNothing,
	identity.KindEtype:          saysNothing,
	identity.KindService:        saysNothing,
	identity.KindPAC:            saysNothing,
	identity.KindProtection:     saysNothing,
	identity.KindThrottled:      saysNothing,
	identity.KindSession:        saysNothing,
	identity.KindForm:           saysNothing,
	identity.KindFactor:         saysNothing, // the password was right, and codes are counted by themselves
	identity.KindDenied:         saysNothing,
	identity.KindRealm:          saysNothing,
	identity.KindNoIdentity:     saysNothing,

	// Technical failures: nobody's password is to blame.
	identity.KindInternal:         saysNothing,
	identity.KindUnavailable:      saysNothing,
	identity.KindBusy:             saysNothing,
	identity.KindTimeout:          saysNothing,
	identity.KindTLS:              saysNothing,
	identity.KindProtocol:         saysNothing,
	identity.KindChannelBinding:   saysNothing,
	identity.KindNTLMBlocked:      saysNothing,
	identity.KindServiceAccount:   saysNothing,
	identity.KindCannotRefresh:    saysNothing,
	identity.KindTooManyPending:   saysNothing,
	identity.KindHandshakeTimeout: saysNothing,
	identity.KindKeytab:           saysNothing,
	identity.KindUnproven:         saysNothing,
	identity.KindClock:            saysNothing,
	identity.KindSecureChannel:    saysNothing,
	identity.KindStore:            saysNothing,
}

// isSaidOfAny reports whether a password may have been refused for what is wrong with the
// account, whatever it was. A KDC looks at that before it asks for a proof of the password,
// and so do some servers of LDAP; guesses at such an account change nothing there, and their
// waits are those of a locked one, or who needs not wait would see that it is there.
func isSaidOfAny(err error) bool {
	kind := kindOf(err)
	failure, _ := errors.AsType[*identity.Error](err)
	return (tellable[kind] != "" || kind == identity.KindEtype) && (failure == nil || !failure.Proven)
}
