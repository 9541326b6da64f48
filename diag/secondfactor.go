package diag

import (
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// secondFactor says whether totp asks the user for a code, and refuses whoever owes one
// and can give none. Which code is right shows at a log-in alone.
func (g *judgement) secondFactor(h *caddyntlm.Handler) error {
	if h.TOTP == nil {
		return nil
	}
	owes := h.OwesCode(g.id, g.scope, g.whole)
	if h.TOTP.Require != nil {
		compiled, err := policy.Compile(*h.TOTP.Require)
		if err != nil {
			return err
		}
		say(g.out, "  totp      asks whoever fits one of these for a code\n")
		finding := compiled.Explain(g.id, g.scope, g.whole)
		tell(g.out, &finding, 2)
	}
	switch owes {
	case policy.FitsNot:
		say(g.out, "  code      none is owed\n")
		return nil
	case policy.Unseen:
		say(g.out, "  code      whether one is owed shows at a log-in alone\n")
	default:
		say(g.out, "  code      one is owed: the password alone is refused, and so is a scheme without a code\n")
	}
	if !h.TakesCode() {
		return g.noCode(h, owes)
	}
	if len(h.TOTP.Exempt) > 0 {
		say(g.out, "  note      whoever comes by %s needs none\n", strings.Join(h.TOTP.Exempt, " or "))
	}
	err := h.Enrolled(g.ctx, g.from, g.id)
	switch {
	case err == nil:
		say(g.out, "  enrolled  %s holds a secret that codes can be checked by\n", h.TOTP.Attribute)
	case owes == policy.Unseen || len(h.TOTP.Exempt) > 0:
		say(g.out, "  note      no code can be given: %v\n", err)
	default:
		return g.stranger(err)
	}
	return nil
}

// noCode refuses whoever owes a code where no scheme carries one.
func (g *judgement) noCode(h *caddyntlm.Handler, owes policy.Verdict) error {
	const text = "no scheme of this windows_auth carries a code"
	if owes == policy.Unseen {
		say(g.out, "  note      no code can be given: %s\n", text)
		return nil
	}
	hint := caddyntlm.HintCode
	if h.Session != nil {
		hint += " Until then a session alone lets in that another site of the host opened by a code."
	}
	return &no{&advice{fmt.Errorf("401 Unauthorized: a code is owed, and no code can be given here: %s", text), hint}}
}

// session says that sessions were asked for where none can be.
func (g *judgement) session(h *caddyntlm.Handler) {
	if h.Session != nil && (!g.journey.server.overTLS || g.target.Scheme == "http") {
		say(g.out, "  note      session works over TLS alone, and this site is asked over plain HTTP: nobody gets a session here, nor the log-in page\n")
	}
}
