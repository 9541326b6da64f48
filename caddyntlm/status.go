package caddyntlm

import (
	"net/http"

	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// outcome is what a kind of failure means over HTTP.
type outcome struct {
	status int
	text   string // for the client: it learns no more than this
	event  string // for the log
	level  zapcore.Level
	close  bool // the connection ends with the answer
}

// A kind of each sort; only logIn carries challenges, only unavailable carries
// Retry-After.
var (
	logIn         = outcome{http.StatusUnauthorized, "log in", "challenge", zapcore.DebugLevel, false}
	wrong         = outcome{http.StatusUnauthorized, "log in", "refuse", zapcore.InfoLevel, false}
	fallback      = outcome{http.StatusUnauthorized, "log in", "refuse", zapcore.DebugLevel, false}
	suspicious    = outcome{http.StatusUnauthorized, "log in", "refuse", zapcore.WarnLevel, false}
	misconfigured = outcome{http.StatusUnauthorized, "log in", "refuse", zapcore.ErrorLevel, false}
	malformed     = outcome{http.StatusBadRequest, "bad Authorization header", "refuse", zapcore.WarnLevel, true}
	tooLarge      = outcome{http.StatusRequestEntityTooLarge, "request body too large during a log-in", "refuse", zapcore.WarnLevel, true}
	foreign       = outcome{http.StatusForbidden, "the form does not come from this site", "refuse", zapcore.WarnLevel, false}
	forbidden     = outcome{http.StatusForbidden, "not allowed", "deny", zapcore.InfoLevel, false}
	unavailable   = outcome{http.StatusServiceUnavailable, "authentication is not available now", "fail", zapcore.WarnLevel, false}
	broken        = outcome{http.StatusServiceUnavailable, "authentication is not available now", "fail", zapcore.ErrorLevel, false}
	internal      = outcome{http.StatusInternalServerError, "internal error", "fail", zapcore.ErrorLevel, false}
)

// outcomes is the one table from a kind of failure to HTTP.
var outcomes = map[identity.Kind]outcome{
	identity.KindInternal: internal,

	identity.KindNoCredentials:  logIn,
	identity.KindMalformed:      malformed,
	identity.KindOversize:       malformed,
	identity.KindBadToken:       wrong,
	identity.KindState:          wrong,
	identity.KindScheme:         wrong,
	identity.KindBodyTooLarge:   tooLarge,
	identity.KindHTTP11Required: fallback,
	identity.KindProxySeen:      wrong,
	identity.KindNotPersistent:  fallback,
	identity.KindAnonymous:      suspicious,
	identity.KindNTLMv1:         suspicious,
	identity.KindNTLMRefused:    suspicious,
	identity.KindEmptyPassword:  wrong,
	identity.KindBadName:        suspicious,

	identity.KindReplay:        suspicious,
	identity.KindSkew:          wrong,
	identity.KindTicketExpired: wrong,
	identity.KindEtype:         wrong,
	identity.KindService:       wrong,
	identity.KindPAC:           suspicious,
	identity.KindProtection:    suspicious,
	identity.KindSession:       wrong,
	identity.KindForm:          foreign,

	identity.KindBadCredentials:  wrong,
	identity.KindGuestMapped:     suspicious,
	identity.KindMismatch:        suspicious,
	identity.KindDisabled:        wrong,
	identity.KindAccountExpired:  wrong,
	identity.KindLocked:          wrong,
	identity.KindPasswordExpired: wrong,
	identity.KindMustChange:      wrong,
	identity.KindPasswordChanged: wrong,
	identity.KindLogonHours:      wrong,
	identity.KindWorkstation:     wrong,
	identity.KindRestricted:      wrong,
	identity.KindAmbiguous:       misconfigured,
	identity.KindNotFound:        wrong,

	identity.KindDenied:     forbidden,
	identity.KindRealm:      forbidden,
	identity.KindNoIdentity: internal,

	identity.KindUnavailable:      unavailable,
	identity.KindBusy:             unavailable,
	identity.KindTimeout:          unavailable,
	identity.KindTLS:              broken,
	identity.KindProtocol:         broken,
	identity.KindSigningRequired:  broken,
	identity.KindClientSigning:    broken,
	identity.KindChannelBinding:   broken,
	identity.KindNTLMBlocked:      broken,
	identity.KindServiceAccount:   broken,
	identity.KindCannotRefresh:    logIn,
	identity.KindTooManyPending:   unavailable,
	identity.KindHandshakeTimeout: wrong,
	identity.KindKeytab:           broken,
	identity.KindUnproven:         broken,
	identity.KindClock:            broken,
	identity.KindSecureChannel:    broken,
	identity.KindStore:            broken,
}

// outcomeOf looks a kind up. A kind that the table does not know is an internal
// error. Whom NTLM has proven and no base DN holds is known and not allowed; a
// Basic client may have mistyped the name.
func outcomeOf(kind identity.Kind, s scheme) outcome {
	if kind == identity.KindNotFound && (s == schemeNTLM || s == schemeNegotiate) {
		return forbidden
	}
	if o, ok := outcomes[kind]; ok {
		return o
	}
	return internal
}

// StatusOf is the HTTP status that a kind of failure becomes; ntlm says that the
// client logs in by NTLM.
func StatusOf(kind identity.Kind, ntlm bool) int {
	s := schemeBasic
	if ntlm {
		s = schemeNTLM
	}
	return outcomeOf(kind, s).status
}

// technical reports whether nobody's credential is to blame for a kind.
func technical(kind identity.Kind) bool {
	return outcomeOf(kind, schemeNone).status == http.StatusServiceUnavailable
}
