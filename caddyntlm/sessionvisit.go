package caddyntlm

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// A session is of the request, whatever connection that came on: nothing of it is
// written to the connection, and nothing of the connection into it. What a request brings
// with it counts before what the connection remembers: first the header Authorization, a
// log-in or a key; then the cookie; then the seat. So whoever logs in as somebody else on
// a page is that one on every connection of the browser, those on which NTLM has brought
// in another before too. A cookie that opens nothing is none.

// carried is the session that a request came with, or that was opened in it.
type carried struct {
	id     session.ID
	record *session.Record
	by     *sessions // of the door that found it, which may be an outer one
}

var (
	errNotHere   = errors.New("the session is of another directory, or of a scheme that this site does not offer")
	errPlainKey  = errors.New("a key over plain HTTP")
	errBadRecord = errors.New("what is kept of the session cannot be read")
)

// identifyKey serves a request with a key, RFC 6750 2.1. A key stands in this header
// alone: addresses are written down everywhere.
func (v *visit) identifyKey() error {
	v.step(eventNothing, held{})
	if !mayCarry(v.r) {
		return &identity.Error{Kind: identity.KindScheme, Err: errPlainKey, Hint: "A key works over HTTPS alone; it has been shown to whoever reads the network, so end its session."}
	}
	found, err := v.find(v.credential.token, session.Key)
	if err != nil {
		return err
	}
	if err := v.hold(found); err != nil {
		return err
	}
	return v.keepCurrent()
}

// identifySession serves a request with the cookie of a session, and says whether there
// was one.
func (v *visit) identifySession() (found bool, err error) {
	came, err := v.cookieSession()
	if came == nil || err != nil {
		return false, err
	}
	if err := v.hold(came); err != nil {
		v.recordNoSession(err)
		return false, nil
	}
	return true, v.keepCurrent()
}

// cookieSession is the session whose cookie the request has; nil where there is none
// that opens anything here. The error is a failure of the store.
func (v *visit) cookieSession() (*carried, error) { return v.byCookie((*visit).find) }

// endable is the session whose cookie the request has, whether it opens anything here or
// not: the configuration may have changed since it was opened.
func (v *visit) endable() (*carried, error) { return v.byCookie((*visit).show) }

func (v *visit) byCookie(find func(*visit, session.Token, session.Form) (*carried, error)) (*carried, error) {
	s := v.door.sessions
	if s == nil || !mayCarry(v.r) {
		return nil, nil
	}
	token, ok := s.cookieToken(v.cookies())
	if !ok {
		return nil, nil
	}
	found, err := find(v, token, session.Cookie)
	if err != nil && kindOf(err) == identity.KindSession {
		v.recordNoSession(err)
		return nil, nil
	}
	return found, err
}

// find looks a session up, and refuses one that this door cannot serve.
func (v *visit) find(token session.Token, form session.Form) (*carried, error) {
	found, err := v.show(token, form)
	if err == nil && (v.door.directoryOf(found.record.Directory) == nil || !v.door.takes(found.record.Scheme)) {
		return nil, identity.Fail(identity.KindSession, errNotHere)
	}
	return found, err
}

// show looks a session up, also one that opens nothing here any more: it can be ended.
func (v *visit) show(token session.Token, form session.Form) (*carried, error) {
	if token.IsZero() {
		return nil, identity.Fail(identity.KindSession, session.ErrNone)
	}
	ctx, cancel := v.asking(v.door.sessions)
	defer cancel()
	record, err := v.door.sessions.book.Use(ctx, token, form, sessionHost(v.r))
	if err != nil {
		return nil, sessionError(err)
	}
	return &carried{token.ID(), record, v.door.sessions}, nil
}

// asking bounds a question to the store. One in this process answers at once, and a timer
// would cost more than the answer.
func (v *visit) asking(s *sessions) (context.Context, context.CancelFunc) {
	if !s.kept.Shared() {
		return v.r.Context(), func() {}
	}
	return v.deadline()
}

// directoryOf is the directory that has a key, or nil.
func (h *Handler) directoryOf(key string) directory {
	for _, d := range h.directories {
		if d.Key() == key {
			return d
		}
	}
	return nil
}

// takes reports whether a session may be of a scheme here: what a site does not let
// anybody in by, no session brings in either.
func (h *Handler) takes(word string) bool {
	s, known := schemeOf(word)
	byForm := s == schemeForm && (h.login != nil || slices.Contains(h.offered, schemeBasic))
	return byForm || known && slices.Contains(h.offered, s)
}

// hold takes the identity of a session for the request's, where the log-in that opened it
// would do here too.
func (v *visit) hold(came *carried) error {
	known, err := came.by.known.of(came)
	if err != nil {
		return identity.Fail(identity.KindSession, errors.Join(errBadRecord, err))
	}
	if err := v.holdKnown(known); err != nil {
		return err
	}
	v.from, v.session, v.bySession = v.door.directoryOf(came.record.Directory), came, true
	return nil
}

// keepSession puts a renewed identity into the session. One that has ended meanwhile
// stays ended, and a store that does not answer keeps the older identity, which is
// renewed again.
func (v *visit) keepSession() error {
	s := v.session.by
	snapshot := snapshotOf(v.remembered())
	ctx, cancel := v.asking(s)
	defer cancel()
	record, err := s.book.Amend(ctx, v.session.id, func(r *session.Record) {
		r.Snapshot, r.Name, r.Verifier = snapshot, v.id.Logon(), v.id.Verifier
	})
	if errors.Is(err, session.ErrNone) {
		return sessionError(err)
	}
	if err == nil {
		v.session = &carried{v.session.id, record, s}
		s.known.keep(v.session, v.remembered())
	}
	return nil
}

// sessionHandle is what administrators call the request's session, empty without one.
func (v *visit) sessionHandle() string {
	if v.session == nil {
		return ""
	}
	return v.session.id.Handle()
}

// recordNoSession writes why a cookie opens nothing, for those who debug.
func (v *visit) recordNoSession(err error) {
	if c := v.door.log.Check(zapcore.DebugLevel, "the session's cookie opens nothing"); c != nil {
		c.Write(zap.String("reason", identity.KindSession.String()), zap.String("conn", v.conn.String()),
			zap.String("remote_ip", remoteIP(v.r)), zap.String("path", v.r.URL.Path), zap.Error(err))
	}
}
