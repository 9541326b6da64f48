package diag

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// bypass reports whether a request passes windows_auth without a log-in. Each set of
// matchers counts by itself, as at the door: one that a path of several readings
// spoils takes nothing from the next.
func (g *judgement) bypass(h *caddyntlm.Handler) (bool, error) {
	for _, set := range h.Bypass {
		fits, unsure, err := g.journey.anySet(caddyhttp.RawMatcherSets{set})
		switch {
		case err != nil:
			return false, err
		case fits == isOpen:
			g.journey.assume(fmt.Sprintf("bypass by %s does not fit", strings.Join(unsure, " and ")))
		case fits == isYes && g.spoiled(set):
			fmt.Fprintln(g.out, "  bypass    fits, and is not used: servers read this path in more than one way")
		case fits == isYes:
			fmt.Fprintln(g.out, "  bypass    fits: the request passes without a log-in")
			return true, nil
		}
	}
	return false, nil
}

func (g *judgement) spoiled(set caddy.ModuleMap) bool {
	return caddyntlm.SeesPath(set) && !caddyntlm.HasOneReading(g.journey.request.URL)
}

// identify finds the directory that a log-in asks and looks the user up there.
func (g *judgement) identify(h *caddyntlm.Handler, directories []*caddyldap.Directory) error {
	if g.id != nil {
		return g.keep(directories)
	}
	to, err := g.ways(h)
	if err != nil {
		return err
	}
	if g.from = to.first(); g.from == nil {
		return &advice{errors.New("no scheme of this windows_auth leads to a directory"), "look at its schemes and at the verify lines of its directories"}
	}
	r := g.records.ask(g.ctx, g.from)
	if r.err != nil {
		return g.stranger(r.err)
	}
	g.id, g.loggedIn = r.id, r.loggedIn
	g.whole = r.loggedIn || !g.from.ReadsTokens() // where nothing is nested no token counts
	how := "was looked up with the service account: the password was not asked for"
	if g.loggedIn {
		how = "has logged in"
	}
	say(g.out, "  user      %s of %s, %s, %s\n", g.id.Logon(), g.from.Name(), g.id.Server, how)
	to.tell(g.out, g.from)
	return g.protected(to)
}

// ways are the directories that NTLM, a ticket and a password ask, nil where there
// is no such way in.
type ways struct{ byNTLM, byTicket, byPassword *caddyldap.Directory }

// first is the directory of which explain speaks: a password's, which the name picks
// among directories, else the one that is fixed.
func (w *ways) first() *caddyldap.Directory {
	return cmp.Or(w.byPassword, w.byNTLM, w.byTicket)
}

// tell says where other ways lead.
func (w *ways) tell(out io.Writer, from *caddyldap.Directory) {
	if t := w.byTicket; t != nil {
		how := "looked up in " + t.Name()
		if !t.HasServiceAccount() {
			how = "known to " + t.Name() + " by the SIDs in it: it has no service_account, and rules about names let nobody in"
		}
		say(out, "  ticket    whoever shows one, of the realm %s, is %s\n", strings.Join(t.TicketRealms(), " or "), how)
	}
	of := "Basic"
	if w.byPassword == nil {
		of = "NTLM"
	}
	for _, other := range []struct {
		scheme string
		asks   *caddyldap.Directory
	}{{"NTLM asks", w.byNTLM}, {"a ticket asks", w.byTicket}} {
		if other.asks != nil && other.asks.Key() != from.Key() {
			say(out, "  note      %s %s alone, whoever logs in: what follows is true of %s\n", other.scheme, other.asks.Name(), of)
		}
	}
}

func (g *judgement) ways(h *caddyntlm.Handler) (*ways, error) {
	w := &ways{h.AsksByNTLM(), h.AsksByTicket(), h.AsksByPassword(g.name)}
	if w.byPassword == nil || h.InsecureBasic || g.journey.request.TLS != nil {
		return w, nil
	}
	const alone = "no scheme is offered but Basic, and that over HTTPS alone"
	others := w.byNTLM != nil || w.byTicket != nil
	switch {
	case !others && g.journey.request.URL.Scheme == "http":
		return nil, &no{&advice{errors.New("401 Unauthorized: " + alone), "say https://, or let the site offer NTLM, or Basic on this connection by insecure_basic"}}
	case !others:
		g.journey.assume("the request comes over HTTPS: " + alone)
	case g.journey.request.URL.Scheme == "http":
		w.byPassword = nil
	}
	return w, nil
}

// keep lets the identity stand that an outer windows_auth found. The credential was
// for that one, which took it out of the request.
func (g *judgement) keep(directories []*caddyldap.Directory) error {
	if slices.ContainsFunc(directories, func(d *caddyldap.Directory) bool { return d.Key() == g.from.Key() }) {
		fmt.Fprintln(g.out, "  user      the same: the windows_auth before knows this directory too")
		return nil
	}
	return &no{&advice{
		fmt.Errorf("401 Unauthorized: the windows_auth before has taken the log-in by %s, and none is left for this one", g.from.Name()),
		"name the same directories in both, or keep one of them",
	}}
}

// mentionErrors says that error routes have the last word about a refusal, and
// about the handler error.
func (g *judgement) mentionErrors(s *site) {
	if refused := g.refusal != nil && exitCode(g.refusal) == exitNo; !refused && !g.journey.failed {
		return
	}
	for i := range s.server.Errors.Routes {
		if fits, _, err := g.journey.anySet(s.server.Errors.Routes[i].MatcherSetsRaw); err == nil && fits != isNo {
			g.journey.assume("handle_errors leaves the status as it is: its routes write this answer")
			return
		}
	}
}

// answerOf is the status that a handler gives everybody, with its words, or empty
// where that is not known or is 200.
func answerOf(handler, status string, abort bool) string {
	var code int
	if _, err := fmt.Sscanf(status, "%d", &code); err != nil || code == http.StatusOK || http.StatusText(code) == "" {
		code = 0
	}
	switch {
	case abort:
		return "no answer"
	case handler == "error" && code == 0:
		return statusText(http.StatusInternalServerError)
	case handler != "error" && handler != "static_response", code == 0:
		return ""
	}
	return statusText(code)
}
