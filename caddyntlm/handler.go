// Package caddyntlm is the door: HTTP in, identity out. It owns what a
// connection remembers.
package caddyntlm

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/throttle"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler is http.handlers.windows_auth: it lets in whom the directories know
// and the rule allows.
type Handler struct {
	// NAMEs of directories of the ldap app, in order. The first that can
	// verify NTLM serves it.
	Directories []string `json:"directories,omitempty"`
	// A directory of this site's own instead of names: the short form.
	Directory *caddyldap.Directory `json:"directory,omitempty"`
	// Offered schemes in order: negotiate, ntlm, basic. Default: what the
	// verifiers serve well, which is not negotiate.
	Schemes []string `json:"schemes,omitempty"`
	// Offer Basic without TLS too: passwords in the clear.
	InsecureBasic bool `json:"insecure_basic,omitempty"`
	// Who may come in. Default: everybody with a valid account.
	Require *policy.Rule `json:"require,omitempty"`
	// Requests that pass without authentication and without an identity, as one
	// of these sets of matchers says. Later require handlers let them pass too.
	Bypass caddyhttp.RawMatcherSets `json:"bypass,omitempty" caddy:"namespace=http.matchers"`
	// Request headers that tell the application who the user is. A client's own
	// headers of these names are removed from every request.
	Forward []Forward `json:"forward,omitempty"`
	// Ask for a second factor. Default: none is asked for.
	TOTP *TOTP `json:"totp,omitempty"`
	// What {http.auth.user.id} holds.
	Username *Username `json:"username,omitempty"`
	// Realm of the Basic challenge. Default: the request's host.
	Realm string `json:"realm,omitempty"`
	// How long a client may take from the challenge of an NTLM log-in to its
	// answer. Default: 10s.
	HandshakeTimeout caddy.Duration `json:"handshake_timeout,omitempty"`
	// How many bytes of a request body are read and thrown away while its
	// client logs in; it sends them again. Above that the answer is 413.
	// Default: 8388608 (8 MiB).
	MaxBody int64 `json:"max_body,omitempty"`
	// How many log-ins may be half done.
	MaxPending *MaxPending `json:"max_pending,omitempty"`
	// Let CORS preflights pass to the application without an identity: OPTIONS
	// with Origin and Access-Control-Request-Method, and no credentials.
	// Default: they get 401 like everybody.
	AllowPreflight bool `json:"allow_preflight,omitempty"`
	// Addresses or networks (CIDR) of proxies that keep one connection to this
	// server for each client connection, as Squid does for NTLM. NTLM works
	// through them. Naming a proxy that shares connections hands out
	// identities. Default: none.
	OneToOne []string `json:"one_to_one,omitempty"`
	// How strictly a log-in by NTLM or Kerberos is held to the connection and the
	// service that the client meant: allow (what a client says of it must fit),
	// require (it must say something), off. Default: allow.
	ExtendedProtection string `json:"extended_protection,omitempty"`
	// Certificates of TLS proxies before this server that clients may be bound to:
	// the hash of each in hexadecimal, as openssl x509 -fingerprint shows it.
	AcceptBinding []string `json:"accept_binding,omitempty"`
	// Hosts that clients may mean where no TLS tells: names of this site, without
	// HTTP/ before them.
	AcceptTarget []string `json:"accept_target,omitempty"`
	// One log-in for every connection and version of HTTP, by a cookie or a key.
	// Default: none.
	Session *Session `json:"session,omitempty"`
	// A page for browsers that cannot log in by themselves, and the same for programs.
	// Default: none.
	Login *Login `json:"login,omitempty"`
	// What becomes of clients that come by NTLM: allow; warn, which lets them in and
	// writes who they are and why they did not use Kerberos; refuse. Default: allow.
	NTLM string `json:"ntlm,omitempty"`
	// How many wrong passwords may reach the controllers. Default: what keeps guessers
	// from locking accounts.
	Throttle *Throttle `json:"throttle,omitempty"`

	directories []directory
	ntlm        directory          // serves NTLM, nil where it is not offered
	tickets     directory          // serves Kerberos, nil where it is not offered
	seats       directory          // whose seat a connection has: of ntlm, else of tickets
	mechanisms  []spnego.Mechanism // inside Negotiate
	offered     []scheme
	rule        *policy.Policy
	factor      *factor // nil where none is asked for
	scope       policy.Scope
	bypasses    []bypass
	forwarding  *forwarding
	stripped    headerNames // what no client may send
	nameOf      nameFormat
	limits      limits
	oneToOne    []netip.Prefix
	bindings    [][16]byte // of AcceptBinding
	demand      string     // the words of extended protection and ntlm, as one
	endpoints   *endpoints // which certificates connections have shown
	conns       *conns
	pending     *quota
	asking      *quota
	throttle    *throttle.Throttle       // nil where it is off
	throttling  bool                     // of the process that it shares
	finders     []identity.AccountFinder // of the directories, nil for one that is none
	server      *caddyhttp.Server
	store       store.Store // of the app; nil where the door stands outside Caddy
	sharing     bool        // of the endpoints
	notices     *notices
	meter       *meter
	sessions    *sessions // nil without
	announcer   *announcer
	login       *entrance // nil without
	now         func() time.Time
	log         *zap.Logger
}

// limits bound what strangers can hold, and how old groups may be; how old an
// identity may be its directory says.
type limits struct {
	handshake time.Duration // from Type 2 to Type 3
	answer    time.Duration // of all questions that one request causes
	body      int64         // read and thrown away before a refusal
	pending   int64         // half-open handshakes
	asking    int64         // passwords that controllers are being asked about
	share     int64         // of them for one client address
	groups    time.Duration // the age of groups on which a denial is decided
	retry     time.Duration // between renewals while no controller answers
}

func defaultLimits() limits {
	return limits{
		handshake: 10 * time.Second,
		answer:    10 * time.Second,
		body:      8 << 20,
		pending:   512,
		asking:    512,
		share:     32,
		groups:    5 * time.Second,
		retry:     5 * time.Second,
	}
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.windows_auth",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the directories and checks the configuration against them.
// Nothing touches the network.
func (h *Handler) Provision(ctx caddy.Context) error {
	directories, err := h.open(ctx)
	if err != nil {
		return err
	}
	return h.furnish(ctx, directories)
}

// ServeHTTP lets a request pass with an identity, or answers it. The rule is
// asked on every request, whatever the connection remembers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := h.receive(w, r)
	v.stripClient()
	if ours, err := v.serveLogin(); ours {
		return err
	}
	if h.AllowPreflight && isPreflight(r) {
		v.waive("preflight")
		return next.ServeHTTP(w, r)
	}
	bypassed, err := v.isBypassed()
	if err != nil {
		return v.fail(err)
	}
	if bypassed {
		v.passWithout()
		return next.ServeHTTP(w, r)
	}
	if err := v.admit(); err != nil {
		return v.refuse(err)
	}
	v.expose()
	v.handOff()
	v.recordAllow()
	v.tellLogIn()
	v.tellAccepted()
	return next.ServeHTTP(w, r)
}

// Cleanup closes the handshakes that still wait, and counts the door out.
func (h *Handler) Cleanup() error {
	if h.conns != nil {
		h.conns.endAll()
	}
	h.unshareCookie()
	h.unshareEndpoints()
	h.unshareThrottle()
	return h.unmeasure()
}

// Interface guards.
var (
	_ caddy.Module                = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
