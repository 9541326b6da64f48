// Package krb is Kerberos 5 as this house needs it. Cryptography, ASN.1 and the
// talk with key distribution centres are gokrb5's, which nobody else imports;
// the GSS-API tokens around them are ours (RFC 4121), since that library sends no
// channel bindings and reads no answer.
//
// gokrb5 knows no contexts and panics on some bytes from outside: calls that ask
// the network go through guard, and Accept recovers for itself.
package krb

import (
	"context"
	"errors"
	"fmt"
)

// Kinds of failure, for errors.Is.
var (
	// ErrRefused: the centre was asked and said no. A wrong password or key, an
	// unknown principal, an account that may not log in.
	ErrRefused = errors.New("refused by the KDC")
	// ErrNoService: no account has the name of the service, or two have.
	ErrNoService = fmt.Errorf("%w: no such service", ErrRefused)
	// ErrUnreachable: no centre of the realm answered.
	ErrUnreachable = errors.New("no KDC answers")
	// ErrClock: this machine's clock and the centre's differ too much.
	ErrClock = errors.New("clock skew")
	// ErrCredential: the keytab, the cache or krb5.conf cannot be used.
	ErrCredential = errors.New("unusable Kerberos credential")
	// ErrMalformed: an answer that is no proper token.
	ErrMalformed = errors.New("malformed Kerberos token")
	// ErrForged: no key of ours opens the ticket, or the client does not hold the
	// key in it.
	ErrForged = errors.New("not a ticket of ours")
	// ErrNoKey: the ticket's key is of a version or enctype that the keytab lacks.
	ErrNoKey = errors.New("the keytab has no such key")
	// ErrEtype: an enctype that is not accepted.
	ErrEtype = errors.New("enctype refused")
	// ErrService: a ticket for another service.
	ErrService = errors.New("a ticket for somebody else")
	// ErrRealm: a client of a realm that is not accepted.
	ErrRealm = errors.New("a realm that is not accepted")
	// ErrExpired: a ticket that is not valid now.
	ErrExpired = errors.New("the ticket is not valid now")
	// ErrOtherClient: the client writes another name than the KDC has.
	ErrOtherClient = errors.New("the request names another client than its ticket")
	// ErrReplay: a request that was accepted before.
	ErrReplay = errors.New("a replayed request")
	// ErrTooMany: more requests than can be remembered.
	ErrTooMany = errors.New("too many requests to remember")
	// ErrPAC: a privilege attribute certificate that nobody vouches for.
	ErrPAC = errors.New("the PAC is not to be believed")
	// ErrImpostor: the service's answer does not prove that it holds its key.
	ErrImpostor = errors.New("the service has not proven itself")
	// ErrUnproven: what a KDC says does not come from one that has the service's
	// key and the user's.
	ErrUnproven = errors.New("the KDC has not proven itself")
)

// guard runs a call into gokrb5 in a goroutine of its own until it ends or the
// context does. A panic becomes ErrMalformed. A call that is left behind ends by
// the library's own time limits of a few seconds.
func guard[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if trouble := recover(); trouble != nil {
				o.err = fmt.Errorf("%w: %v", ErrMalformed, trouble)
			}
			done <- o
		}()
		o.value, o.err = call()
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
