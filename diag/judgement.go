package diag

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// judgement decides about one user at each rule that a request meets, and tells of
// it as it goes.
type judgement struct {
	out     io.Writer
	app     *caddyldap.App
	ctx     caddy.Context
	name    identity.Name
	records *records
	journey *journey
	target  *url.URL

	met      bool // one of our handlers
	waived   bool // a bypass let the request pass
	id       *identity.Identity
	from     *caddyldap.Directory
	loggedIn bool
	whole    bool // the identity is that of a log-in
	scope    policy.Scope
	presumed string // matchers that were taken to fit, on the way to a rule
	refusal  error
}

// run follows a request and gives nil where the user is let in.
func (g *judgement) run(s *site, method string, target *url.URL) error {
	g.journey, g.target = newJourney(g.ctx, s.server, strings.ToUpper(method), target), target
	g.journey.meet, g.journey.member = g.meet, g.member
	g.journey.assume = func(what string) { say(g.out, "assumed: %s\n", what) }
	g.journey.presumed = func(matchers string) { g.presumed = matchers }
	say(g.out, "%s %s, as the server %s answers it\n", g.journey.request.Method, shown(target), s.name)
	if _, err := g.journey.walk(s.server.Routes); err != nil {
		return err
	}
	g.mentionErrors(s)
	answer := g.journey.answer
	switch {
	case g.refusal != nil:
		return g.refusal
	case answer != "" && !g.met:
		say(g.out, "%s: neither windows_auth nor require is on the way: everybody gets this answer, and nobody logs in\n", answer)
	case answer != "" && g.id != nil:
		say(g.out, "%s: %s is let in, and the site has this answer for everybody\n", answer, g.id.Logon())
	case !g.met:
		say(g.out, "200: neither windows_auth nor require is on the way: everybody is let in, and nobody logs in\n")
	case g.id == nil:
		fmt.Fprintln(g.out, "200: let in by a bypass, without an identity")
	default:
		say(g.out, "200: %s is let in\n", g.id.Logon())
	}
	return nil
}

// meet judges at one handler. Whoever is refused there gets no further.
func (g *judgement) meet(handler string, raw json.RawMessage) (ended bool, err error) {
	g.met = true
	if handler == handlerDoor {
		err = g.door(raw)
	} else {
		err = g.require(raw)
	}
	if err == nil {
		return false, nil
	}
	g.refusal = err
	return true, nil
}

func (g *judgement) door(raw json.RawMessage) error {
	var h caddyntlm.Handler
	if err := json.Unmarshal(raw, &h); err != nil {
		return fmt.Errorf("windows_auth: %w", err)
	}
	directories, err := g.directories(&h)
	if err != nil {
		return err
	}
	say(g.out, "windows_auth %s\n", namesOf(directories))
	if err := h.Foretell(directories); err != nil {
		return fmt.Errorf("windows_auth: %w", err)
	}
	if h.MayBePreflight(g.journey.request) {
		g.journey.assume("allow_preflight lets it not pass, as it does a CORS preflight without a log-in")
	}
	if bypassed, err := g.bypass(&h); err != nil || bypassed {
		g.waived, g.id = bypassed, nil
		return err
	}
	g.waived = false
	g.session(&h)
	if err := g.page(&h); err != nil {
		return err
	}
	if err := g.identify(&h, directories); err != nil {
		return err
	}
	if _, err := h.NameFor(g.id); err != nil {
		return &no{g.stranger(err)}
	}
	g.scope = policy.Scope{First: directories[0].Name()}
	rule := policy.Rule{ValidUser: true}
	if h.Require != nil {
		rule = *h.Require
	}
	if err := g.judge("windows_auth", rule); err != nil {
		return err
	}
	return g.secondFactor(&h)
}

func (g *judgement) require(raw json.RawMessage) error {
	var q caddyntlm.Require
	if err := json.Unmarshal(raw, &q); err != nil {
		return fmt.Errorf("require: %w", err)
	}
	fmt.Fprintln(g.out, "require")
	if g.waived {
		fmt.Fprintln(g.out, "  passes, because windows_auth was bypassed")
		return nil
	}
	if g.id == nil {
		return &no{&advice{errors.New("500 Internal Server Error: require is reached, and no windows_auth is before it"), "put windows_auth on every path that leads here"}}
	}
	return g.judge("require", q.Rule)
}

func (g *judgement) directories(h *caddyntlm.Handler) ([]*caddyldap.Directory, error) {
	if h.Directory != nil {
		own, err := g.app.Adopt(g.ctx, h.Directory)
		return []*caddyldap.Directory{own}, err
	}
	var directories []*caddyldap.Directory
	for _, name := range h.Directories {
		d, err := g.app.Directory(name)
		if err != nil {
			return nil, err
		}
		directories = append(directories, d)
	}
	if len(directories) == 0 {
		return nil, errors.New("windows_auth names no directory")
	}
	return directories, nil
}

func namesOf(directories []*caddyldap.Directory) string {
	names := make([]string, len(directories))
	for i, d := range directories {
		names[i] = d.Name()
	}
	return strings.Join(names, " ")
}

// stranger words that somebody is not known, or may not log in.
func (g *judgement) stranger(err error) error {
	if a, ok := errors.AsType[*advice](err); ok {
		return a
	}
	kind := identity.KindOf(err)
	status := statusText(caddyntlm.StatusOf(kind, false))
	if byNTLM := statusText(caddyntlm.StatusOf(kind, true)); byNTLM != status {
		status = fmt.Sprintf("%s by NTLM, %s by Basic", byNTLM, status)
	}
	return judged(&advice{fmt.Errorf("%s: user %s: %w", status, g.name, err), hintOf(err)})
}

func statusText(code int) string { return fmt.Sprintf("%d %s", code, http.StatusText(code)) }
