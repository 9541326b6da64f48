package caddyntlm

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// visit is one request at the door. Once it is let in, the visit is what later
// handlers and placeholders ask.
type visit struct {
	// The request, and who answers it.
	door  *Handler
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	outer *visit // which let the request in before, at an outer windows_auth

	// The connection that it came on.
	conn    *conn         // nil on HTTP/3
	seated  *conn         // conn where it may hold an identity, else nil
	barrier identity.Kind // why no handshake can begin; noBarrier where one can

	// What it brings.
	credential credential
	print      fingerprint    // of a Basic credential
	claimed    identity.Name  // for the log
	meant      identity.Meant // by the client that logged in
	taken      []string       // cookies that open other doors, out of the request

	// Who it is.
	id       *identity.Identity
	name     string    // of id, for the application
	from     directory // that knows id
	scheme   scheme
	by       mechanism // that proves id
	loggedIn bool      // in this very request
	rule     string    // that lets id in
	waived   bool      // let in without an identity
	final    []byte    // last token of a negotiation, for the client

	// Its session.
	session   *carried // that the request is of, or that goes with its log-in
	bySession bool     // id is the session's

	// The second factor.
	enrolled identity.Enrolment // of whom a password claims to be, where codes are asked for
	field    identity.Secret    // a code that was typed beside the password
	code     string             // that came behind the password, or beside it
	factored string             // the name of the second factor that the request has given
	codeless bool               // it is owed, and what proves the user carries none

	// What a controller was asked.
	verifier string
	server   string
	asked    bool          // in this request
	proven   bool          // the password, in this request
	earlier  time.Duration // what the first leg of the log-in took
}

// noBarrier is the barrier of a connection fit for handshakes.
const noBarrier identity.Kind = 0

var (
	errNoPrincipal = errors.New("a verifier gave neither a principal nor an error")
	errNoIdentity  = errors.New("a directory gave neither an identity nor an error")
	errOther       = errors.New("the directory answered about somebody else")
	errNobody      = errors.New("nobody is logged in")
	errNameless    = errors.New("the directory has no such attribute for this account")
)

// receive looks at the connection that a request came on.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{door: h, w: w, r: r, start: h.now(), conn: connOf(r.Context())}
	// An outer windows_auth has judged the request as the client sent it, and
	// may since have set a header that looks like a proxy's.
	if answerOf(r.Context()) == nil && h.shares(r) {
		v.conn.share()
		v.barrier = identity.KindProxySeen
		h.noticeProxy(v.start)
	}
	v.noteEndpoint()
	switch {
	case v.barrier != noBarrier:
	case v.conn.isShared():
		v.barrier = identity.KindProxySeen
	case r.ProtoMajor != 1:
		v.barrier = identity.KindHTTP11Required
	case v.conn == nil || !r.ProtoAtLeast(1, 1):
		v.barrier = identity.KindNotPersistent
	default:
		if h.seats != nil {
			v.seated = v.conn
		}
		if r.Close {
			v.barrier = identity.KindNotPersistent
		}
	}
	return v
}

// admit finds out who is there and whether they may come in.
func (v *visit) admit() error {
	err := v.identify()
	if err == nil {
		err = v.permit()
	}
	if err == nil {
		v.openAtLogIn()
	}
	if err == nil && v.credential.scheme != schemeNone {
		// The credential was for this door. The application must not see a
		// password or token, and a proxy behind would take it for its own.
		v.r.Header.Del("Authorization")
	}
	if err == nil {
		v.stripSession()
	}
	return err
}

// permit finds out whether somebody who is known may come in, whatever brought them.
func (v *visit) permit() error {
	if err := v.checkName(); err != nil {
		return err
	}
	if err := v.factor(); err != nil {
		return err
	}
	return v.decide(v.door.rule)
}

func (v *visit) identify() error {
	var err error
	v.credential, err = parseAuthorization(v.r.Header["Authorization"])
	v.scheme, v.claimed = v.credential.scheme, v.credential.name
	if err != nil {
		v.step(eventMisuse, held{})
		return err
	}
	if v.scheme == schemeNone {
		return v.identifyKnown()
	}
	if v.scheme == schemeBearer {
		if v.door.sessions != nil {
			return v.identifyKey()
		}
		v.scheme = schemeForeign // there are no keys here
	}
	if !slices.Contains(v.door.offered, v.scheme) {
		return v.unoffered()
	}
	switch v.scheme {
	case schemeNegotiate:
		return v.identifyNegotiate()
	case schemeNTLM:
		return v.identifyNTLM()
	}
	return v.identifyBasic()
}

// checkName refuses whom the configured format of names leaves nameless: an
// empty name is how applications know a stranger.
func (v *visit) checkName() error {
	if v.name = v.door.nameOf(v.id); v.name != "" {
		return nil
	}
	return nameless()
}

func nameless() error {
	return &identity.Error{
		Kind: identity.KindInternal,
		Hint: "Choose another username format for this site, or give the account the attribute.",
		Err:  errNameless,
	}
}

// step moves the seat of the directory that serves handshakes.
func (v *visit) step(e event, brought held) (action, held) {
	key := ""
	if v.door.seats != nil {
		key = v.door.seats.Key()
	}
	return v.seated.step(key, e, brought)
}

// misuse ends what the connection remembered and says why.
func (v *visit) misuse(kind identity.Kind, err error) error {
	v.step(eventMisuse, held{})
	return identity.Fail(kind, err)
}

// deadline bounds all that is asked on behalf of the request. It is no child of the
// request's context: the runtime keeps a timer that was stopped for a while, and would keep
// the request with it.
func (v *visit) deadline() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), v.door.limits.answer)
	stop := context.AfterFunc(v.r.Context(), cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// resolve asks a directory about somebody just proven.
func (v *visit) resolve(ctx context.Context, p *identity.Principal) error {
	if p == nil {
		return identity.Fail(identity.KindInternal, errNoPrincipal)
	}
	defer func() { _ = p.Close() }()
	v.verifier, v.server = p.Verifier(), p.Server()
	if v.claimed == (identity.Name{}) {
		v.claimed = p.Claimed()
	}
	id, err := v.from.Resolve(ctx, p)
	switch {
	case err != nil:
		return err
	case id == nil:
		return identity.Fail(identity.KindInternal, errNoIdentity)
	case !p.SID().IsZero() && p.SID() != id.SID:
		return identity.Fail(identity.KindMismatch, errOther)
	case id.SID.IsNobody():
		return identity.Fail(identity.KindGuestMapped, nil)
	}
	v.id, v.meant, v.loggedIn = id, p.Meant(), true
	return nil
}
