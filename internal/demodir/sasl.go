package demodir

import (
	"bytes"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

const mechSPNEGO = "GSS-SPNEGO"

// bindSASL is RFC 4511 4.2 with GSS-SPNEGO, which takes NTLM messages without
// SPNEGO around them too, as [MS-ADTS] 5.1.1.1.2 controllers do.
func (c *conn) bindSASL(r *request, req *bindRequest, pending *ntlmPending) bool {
	if req.mechanism != mechSPNEGO {
		return c.answerBind(r, resultMechanism)
	}
	if pending != nil && !pending.sicily {
		return c.finishSASL(r, c.finish(pending, req.secret))
	}
	if !bytes.HasPrefix(req.secret, []byte("NTLMSSP\x00")) {
		return c.answerBind(r, logonFailed(dataInvalidParameter))
	}
	challenge, err := c.challenge(req.secret, false)
	if err != nil {
		return c.answerBind(r, logonFailed(dataInvalidParameter))
	}
	res := result{code: saslBindInProgress}
	return c.reply(r, opBindResponse, join(res.encode(), element(0x87, challenge)))
}

// finishSASL answers the second leg. What concerns signing is said after the
// password was found right, not before.
func (c *conn) finishSASL(r *request, o outcome) bool {
	if o.gone {
		return false
	}
	if failure, failed := c.failure(o); failed {
		return c.answerBind(r, failure)
	}
	switch signs := o.flags&(ntlm.NegotiateSign|ntlm.NegotiateSeal) != 0; {
	case signs && c.secure:
		return c.answerBind(r, resultSignOverTLS)
	case signs:
		return c.answerBind(r, resultSignOnPlain)
	case c.cfg.SigningRequired, !c.secure && !c.cfg.AllowPlain:
		return c.answerBind(r, resultSignMissing)
	}
	return c.welcome(r, o.who)
}
