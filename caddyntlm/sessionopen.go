package caddyntlm

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// What the rest of the door does with sessions: opens, marks and ends them.

// opened is a session that was just opened, or has just got a new token.
type opened struct {
	token   session.Token
	expires time.Time // at the latest
}

var errNoSessions = errors.New("the site has no sessions: write session into its windows_auth")

// openSession opens a session for v.id, which the caller has just proven in this request
// (v.from, v.scheme and v.by say how), and ends the one whose cookie the request came
// with: what a client brings is never made worth more than it was. It holds the second
// factor that the request has given (v.factored). A browser's cookie is set on the answer;
// a program's key is the caller's to hand out, in the answer's body and nowhere else, with
// Cache-Control: no-store. The request is from now on one of the new session. Errors: KindStore where the store does
// not answer, KindScheme without TLS; then nothing is open.
func (v *visit) openSession(form session.Form) (opened, error) {
	s := v.door.sessions
	switch {
	case s == nil:
		return opened{}, identity.Fail(identity.KindInternal, errNoSessions)
	case !mayCarry(v.r):
		return opened{}, &identity.Error{Kind: identity.KindScheme, Hint: hintPlainSession}
	}
	if form == session.Cookie {
		if err := v.endCarried(); err != nil {
			return opened{}, err
		}
	}
	record := session.Record{
		Form: form, Directory: v.from.Key(), Account: v.id.AccountKey(), Host: sessionHost(v.r), Name: v.id.Logon(),
		Address: clientAddress(v.r), Scheme: v.scheme.String(), Verifier: v.id.Verifier, Snapshot: snapshotOf(v.remembered()),
	}
	if v.factored != "" {
		record.FactorOf, record.Factor = v.factored, v.start
	}
	ctx, cancel := v.asking(s)
	defer cancel()
	token, kept, err := s.book.Open(ctx, record)
	if err != nil {
		return opened{}, sessionError(err)
	}
	v.carry(token, kept, s)
	v.countSession("opened", form)
	return opened{token, kept.Ends}, nil
}

// carry makes a session the request's own. Its cookie, where it is a browser's, goes out
// with the answer.
func (v *visit) carry(token session.Token, record *session.Record, s *sessions) {
	v.session = &carried{token.ID(), record, s}
	s.known.keep(v.session, v.remembered())
	if record.Form == session.Cookie {
		s.giveCookie(v.w.Header(), token)
	}
}

// endCarried ends the session whose cookie the request came with, where there is one.
func (v *visit) endCarried() error {
	came := v.session
	if came == nil || came.record.Form != session.Cookie {
		var err error
		if came, err = v.endable(); came == nil {
			return err
		}
	}
	return v.end(came, "replaced")
}

// end ends a session, whatever becomes of the client meanwhile.
func (v *visit) end(came *carried, why string) error {
	s := came.by
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), v.door.limits.answer)
	defer cancel()
	s.known.drop(came.id)
	switch _, err := s.book.End(ctx, came.id); {
	case errors.Is(err, session.ErrNone): // ended by somebody else meanwhile
	case err != nil:
		return sessionError(err)
	default:
		v.countSession(why, came.record.Form)
	}
	return nil
}

// dropSession ends the request's session, because nobody vouches for its user any more.
// Where the store does not answer, the next request finds that out again.
func (v *visit) dropSession() {
	came := v.session
	v.session, v.bySession = nil, false
	_ = v.end(came, "unvouched")
}

// requestSession is the session that the request came with, or that was opened in it:
// who (Name, Account), until when (Ends, and Idle after the last use), by what (Scheme),
// and which second factor was given when (FactorOf, Factor). False where there is none, as
// for a log-in by connection or header alone.
func (v *visit) requestSession() (session.Record, bool) {
	if v.session == nil {
		return session.Record{}, false
	}
	return *v.session.record, true
}

// holdsFactor reports whether the request's session holds the second factor of a name.
func (v *visit) holdsFactor(name string) bool {
	return v.session != nil && v.session.record.FactorOf == name
}

// markFactor notes in the request's session that the user has given a second factor:
// it gets a new token, as at each change of what its user may do, and the old one opens
// nothing any more. The new cookie is set on the answer; the new key of a program is the
// caller's to hand out. Errors: KindSession where there is none or it has ended, KindStore.
// After an error there is no session.
func (v *visit) markFactor() (opened, error) {
	if v.session == nil {
		return opened{}, identity.Fail(identity.KindSession, session.ErrNone)
	}
	s, before := v.session.by, v.session
	s.known.drop(before.id)
	v.session = nil
	ctx, cancel := v.asking(s)
	defer cancel()
	token, record, err := s.book.Rotate(ctx, before.id, func(r *session.Record) { r.FactorOf, r.Factor = v.factored, v.start })
	if err != nil {
		return opened{}, sessionError(err)
	}
	v.carry(token, record, s)
	v.countSession("rotated", record.Form)
	return opened{token, record.Ends}, nil
}

// logOut ends the session that the request came with, by cookie or key, and has the browser
// forget the cookie. Connections on which the user is logged in forget that, on this node
// and at every site of the listener; the one of this request is closed. Where the session
// cannot be ended the error is of KindStore, and nobody must be told that all is well. The
// caller says Cache-Control: no-store on the answer and writes it. The request has no
// identity any more.
func (v *visit) logOut() error {
	s := v.door.sessions
	if s == nil {
		return identity.Fail(identity.KindInternal, errNoSessions)
	}
	came, err := v.session, error(nil)
	if came == nil {
		if came, err = v.endable(); err != nil {
			return err
		}
	}
	if came != nil {
		if err := v.end(came, "logout"); err != nil {
			return err
		}
		v.forgetSeats(came.record.Directory, came.record.Account)
	}
	if v.id != nil && v.from != nil {
		v.forgetSeats(v.from.Key(), v.id.AccountKey())
	}
	v.tellLogOut(came)
	v.session, v.bySession, v.id = nil, false, nil
	s.takeCookie(v.w.Header())
	if v.r.ProtoMajor == 1 {
		v.w.Header().Set("Connection", "close")
	}
	return nil
}

// isSame reports whether a session is of the one who has just logged in, by the same
// means, and held to the same.
func (v *visit) isSame(came *carried) bool {
	if came == nil || came.record.Directory != v.from.Key() || came.record.Account != v.id.AccountKey() {
		return false
	}
	known, err := came.by.known.of(came)
	return err == nil && known.scheme == v.scheme && known.by == v.by && (known.said == nil || known.said.demand == v.demand())
}

// openAtLogIn opens a session for a browser that has just logged in by a header. What goes
// wrong costs the session and not the request, whose log-in stands by itself.
func (v *visit) openAtLogIn() {
	s := v.door.sessions
	if s == nil || !v.loggedIn || v.session != nil || !keepsCookies(v.r) {
		return
	}
	if !mayCarry(v.r) {
		if _, due := s.plain.due(v.start); due {
			v.door.log.Warn("no session without TLS", zap.String("remote_ip", remoteIP(v.r)), zap.String("hint", hintPlainSession))
		}
		return
	}
	came, err := v.cookieSession()
	if err == nil && v.isSame(came) {
		v.session = came // and not a new one for each request of a client that always logs in
		if v.factored == "" || v.holdsFactor(v.factored) {
			return
		}
		_, err = v.markFactor()
	} else if err == nil {
		_, err = v.openSession(session.Cookie)
	}
	if err != nil {
		if skipped, due := s.failing.due(v.start); due {
			v.door.log.Warn("no session was opened: the client logs in again with its next connection",
				zap.String("user", v.id.Logon()), zap.Int64("skipped", skipped), zap.String("hint", hintStore), zap.Error(err))
		}
	}
}
