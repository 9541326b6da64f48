package diag

import (
	"errors"
	"fmt"
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
	byNTLM, byPassword, err := g.ways(h)
	if err != nil {
		return err
	}
	g.from = byPassword // its name picks among directories; the one for NTLM is fixed
	if byPassword == nil {
		g.from = byNTLM
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
	if byNTLM != nil && byNTLM.Key() != g.from.Key() {
		say(g.out, "  note      NTLM asks %s alone, whoever logs in: what follows is true of Basic\n", byNTLM.Name())
	}
	return nil
}

// ways are the directories that NTLM and a password ask, nil where there is no such
// way in.
func (g *judgement) ways(h *caddyntlm.Handler) (byNTLM, byPassword *caddyldap.Directory, err error) {
	byNTLM, byPassword = h.AsksByNTLM(), h.AsksByPassword(g.name)
	if byPassword == nil || h.InsecureBasic || g.journey.request.TLS != nil {
		return byNTLM, byPassword, nil
	}
	const alone = "no scheme is offered but Basic, and that over HTTPS alone"
	switch {
	case byNTLM == nil && g.journey.request.URL.Scheme == "http":
		return nil, nil, &no{&advice{errors.New("401 Unauthorized: " + alone), "say https://, or let the site offer NTLM, or Basic on this connection by insecure_basic"}}
	case byNTLM == nil:
		g.journey.assume("the request comes over HTTPS: " + alone)
	case g.journey.request.URL.Scheme == "http":
		return byNTLM, nil, nil
	}
	return byNTLM, byPassword, nil
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
