package caddyntlm

import (
	"errors"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

var errRetryLater = errors.New("no controller answered a moment ago")

// age is how old what is known about the user is.
func (v *visit) age() time.Duration { return v.start.Sub(v.id.At) }

// keepCurrent renews a remembered identity that is no longer fresh, or was purged. While no
// controller answers it goes on being used until it is stale.
func (v *visit) keepCurrent() error {
	age := v.age()
	fresh, stale := v.from.Freshness()
	if age <= fresh && !v.id.At.Before(v.from.Purged(v.id)) {
		return nil
	}
	err := v.renew()
	if err != nil && excuses(kindOf(err)) && age <= stale {
		return nil
	}
	return err
}

// excuses reports whether an old identity may be used because of a failure: the
// controllers do not answer, and not that too many log-ins of one address wait.
func excuses(kind identity.Kind) bool { return technical(kind) && kind != identity.KindTooManyPending }

// renew asks again who the user is. What can no longer be vouched for is
// forgotten; a controller that is down proves nothing, and is not asked again
// at once.
func (v *visit) renew() error {
	if v.conn != nil && v.start.UnixNano() < v.conn.retryAt.Load() {
		return identity.Fail(identity.KindUnavailable, errRetryLater)
	}
	final := v.loggedIn
	err := v.ask()
	switch {
	case err == nil:
	case kindOf(err) == identity.KindTooManyPending, kindOf(err) == identity.KindThrottled:
		// Nobody was asked: it proves nothing.
	case technical(kindOf(err)):
		// A client that left proves nothing about the controllers, and others
		// may share the connection.
		if v.conn != nil && v.r.Context().Err() == nil {
			v.conn.retryAt.Store(v.start.Add(v.door.limits.retry).UnixNano())
		}
	case !final:
		v.forget()
	}
	return err
}

// ask asks the directory. With a password at hand the controller is asked about
// that once more, which is the better proof and needs no service account.
func (v *visit) ask() error {
	if v.scheme == schemeBasic && !v.loggedIn && !v.bySession {
		err := v.verifyPassword()
		if kindOf(err) != identity.KindThrottled {
			return err
		}
		// Somebody guesses: that touches nobody who is known, where the directory can
		// look the account up without the password.
		if v.refresh() == nil {
			return nil
		}
		return err
	}
	return v.refresh()
}

// refresh asks the directory without a password.
func (v *visit) refresh() error {
	ctx, cancel := v.deadline()
	defer cancel()
	id, err := v.from.Refresh(ctx, v.id)
	switch {
	case err != nil:
		return err
	case id == nil:
		return identity.Fail(identity.KindInternal, errNoIdentity)
	case id.SID != v.id.SID || v.id.UUID != "" && id.UUID != v.id.UUID || id.Directory != v.id.Directory:
		return identity.Fail(identity.KindMismatch, errOther)
	}
	v.id = id
	return v.keep()
}

// keep puts a renewed identity in the place of the old one.
func (v *visit) keep() error {
	if v.bySession {
		return v.keepSession()
	}
	if v.scheme == schemeForm {
		return nil // a log-in by form is its session's, and no connection's
	}
	if v.scheme == schemeBasic {
		if v.remembersPassword() {
			v.conn.remember(v.print, v.id)
		}
		return nil
	}
	v.conn.step(v.from.Key(), eventRenewed, v.remembered())
	return nil
}

// forget makes the connection forget the user, or ends the session.
func (v *visit) forget() {
	if v.bySession {
		v.dropSession()
		return
	}
	if v.scheme == schemeForm {
		return
	}
	if v.scheme == schemeBasic {
		v.conn.remember(v.print, nil)
		return
	}
	v.conn.step(v.from.Key(), eventForget, held{})
}
