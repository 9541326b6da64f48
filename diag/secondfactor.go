package diag

import (
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
