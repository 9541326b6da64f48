package krb

import (
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// openAuthenticator checks that the client holds the session key, now.
func (a *Acceptor) openAuthenticator(r *messages.APReq, part *messages.EncTicketPart) (*types.Authenticator, error) {
	plain, err := open(r.EncryptedAuthenticator, part.Key, usageAuthenticator)
	if err != nil {
		return nil, fmt.Errorf("%w: the session key does not open the authenticator", ErrForged)
	}
	sent, err := readAuthenticator(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: authenticator: %w", ErrMalformed, err)
	}
	off := a.now().Sub(moment(sent))
	switch {
	case sent.AVNO != 5:
		return nil, fmt.Errorf("%w: authenticator version %d", ErrMalformed, sent.AVNO)
	case sent.CRealm != part.CRealm || !sent.CName.Equal(part.CName):
		return nil, fmt.Errorf("%w: the authenticator says %.300q, the ticket %.300q", ErrOtherClient,
			strings.Join(sent.CName.NameString, "/")+"@"+sent.CRealm, strings.Join(part.CName.NameString, "/")+"@"+part.CRealm)
	case off > a.skew() || off < -a.skew():
		return nil, fmt.Errorf("%w: the client's clock says %s and ours %s, which is %s apart", ErrClock, stamp(moment(sent)), stamp(a.now()), off.Abs().Round(time.Second))
	}
	return sent, checkCritical(sent.AuthorizationData)
}

// moment is when the client says it is.
func moment(sent *types.Authenticator) time.Time {
	return sent.CTime.Add(time.Duration(sent.Cusec) * time.Microsecond)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// wellKnown begins names that are nobody's, such as WELLKNOWN/ANONYMOUS, RFC 6111 3.1.
const wellKnown = "WELLKNOWN"

// notAName tells of a component that is empty, or by which two names would be
// written alike.
func notAName(component string) bool {
	return component == "" || strings.ContainsAny(component, "/@\x00")
}
