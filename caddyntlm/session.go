package caddyntlm

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Session has one log-in open every connection and every version of HTTP: the browser
// keeps a cookie, a program a key.
type Session struct {
	// How long a log-in lasts at most. Default: 8h.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// How long it lasts without a request. Default: 30m, or ttl where that is less.
	Idle caddy.Duration `json:"idle,omitempty"`
	// Name of the cookie, without the __Host- that is put before it. Sites of one host
	// that ask different directories need a name each. Default: windows_auth.
	Cookie string `json:"cookie,omitempty"`
}

// DefaultSessionCookie is the name of the cookie where none is configured, without its
// prefix.
const DefaultSessionCookie = "windows_auth"

// hostPrefix makes browsers hold to what the cookie is set with: by this host alone,
// over TLS, for every path.
const hostPrefix = "__Host-"

// shortestSession is the shortest ttl or idle limit that can be meant.
const shortestSession = time.Second

// CheckSession says what is wrong with the settings of a session.
func CheckSession(s *Session) error {
	for _, limit := range [...]struct {
		word  string
		value caddy.Duration
	}{{"ttl", s.TTL}, {"idle", s.Idle}} {
		if limit.value != 0 && time.Duration(limit.value) < shortestSession {
			return fmt.Errorf("session: %s %v is shorter than a session can be", limit.word, time.Duration(limit.value))
		}
	}
	if s.Idle > 0 && time.Duration(s.Idle) > s.ttl() {
		return fmt.Errorf("session: idle %v is longer than the ttl of %v", time.Duration(s.Idle), s.ttl())
	}
	if s.Cookie != "" && (!isToken(s.Cookie) || len(s.Cookie) > 64) {
		return fmt.Errorf("session: %.80q is not the name of a cookie", s.Cookie)
	}
	if strings.HasPrefix(strings.ToLower(s.Cookie), "__") {
		return fmt.Errorf("session: the cookie %s begins with a prefix of its own: leave it away, %s is put before the name", s.Cookie, hostPrefix)
	}
	return nil
}

func (s *Session) ttl() time.Duration {
	if s.TTL > 0 {
		return time.Duration(s.TTL)
	}
	return session.DefaultTTL
}

// sessions are what a door needs for them.
type sessions struct {
	kept    store.Store
	book    *session.Book
	cookie  string // its whole name
	known   *knownSessions
	failing rarely // the store, at a log-in
	plain   rarely // a log-in without TLS
}

// newSessions makes them ready, in a store.
func newSessions(s *Session, kept store.Store, now func() time.Time) *sessions {
	name := s.Cookie
	if name == "" {
		name = DefaultSessionCookie
	}
	limits := session.Limits{TTL: time.Duration(s.TTL), Idle: time.Duration(s.Idle)}
	return &sessions{kept: kept, book: session.New(kept, limits, now), cookie: hostPrefix + name, known: newKnownSessions(now)}
}

// openBook finds the store for sessions, where the configuration has any.
func (h *Handler) openBook(ctx caddy.Context) error {
	if h.Session == nil {
		return nil
	}
	h.sessions = newSessions(h.Session, h.store, h.now)
	h.shareCookie()
	return nil
}

// foreseeSession says that sessions were asked for where no connection has TLS: a fault where
// nobody can do without, for the page or a second factor.
func (h *Handler) foreseeSession(overTLS bool) []caddyldap.Observation {
	if h.Session == nil || overTLS {
		return nil
	}
	o := caddyldap.Observation{Level: caddyldap.Notable, About: "session", Text: "session works over TLS alone, and this server speaks plain HTTP", Hint: hintPlainSession}
	if h.Login != nil || h.TOTP != nil {
		o.Level = caddyldap.Faulty
	}
	return []caddyldap.Observation{o}
}

const (
	hintPlainSession = "Nobody gets a session here, nor the log-in page. Serve the site over HTTPS: an address without http://, with tls internal or a certificate of its own. Behind a proxy that ends TLS let it speak HTTPS to this server."
	hintStore        = "The store that holds sessions does not answer: look at the server that the word store among the global options names."
)

// settleSession checks the word session.
func (h *Handler) settleSession() error {
	if h.Session == nil {
		return nil
	}
	return CheckSession(h.Session)
}

// mayCarry reports whether a request may have a session: over TLS that ends here.
func mayCarry(r *http.Request) bool { return r.TLS != nil }

// sessionHost is the host for which a session is good: without the port, of which
// cookies know nothing.
func sessionHost(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// clientAddress is where a session's user logged in: the client's address as Caddy has
// it, which believes a header from trusted proxies only.
func clientAddress(r *http.Request) string {
	if address, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); address != "" {
		return address
	}
	return remoteIP(r)
}

// sessionError gives an error of the book its kind.
func sessionError(err error) error {
	switch {
	case errors.Is(err, session.ErrNone):
		return identity.Fail(identity.KindSession, err)
	case errors.Is(err, session.ErrLarge), errors.Is(err, store.ErrTooLarge):
		return identity.Fail(identity.KindInternal, err)
	}
	return &identity.Error{Kind: identity.KindStore, Err: err, Hint: hintStore}
}
