package caddyntlm

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

func init() {
	caddy.RegisterModule(new(Require))
}

// Require is http.handlers.require: a further rule for a part of a site,
// inside windows_auth.
type Require struct {
	Rule policy.Rule `json:"rule"`

	rule *policy.Policy
	log  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*Require) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.require",
		New: func() caddy.Module { return new(Require) },
	}
}

// Provision compiles the rule and sees to it that it can be asked.
func (q *Require) Provision(ctx caddy.Context) error {
	q.log = ctx.Logger()
	var err error
	if q.rule, err = policy.Compile(q.Rule); err != nil {
		return fmt.Errorf("require: %w", err)
	}
	if err := q.checkReached(ctx); err != nil {
		return err
	}
	if err := q.checkRoles(ctx); err != nil {
		return err
	}
	return want(ctx, caddyldap.WantsOf(q.Rule))
}

// ServeHTTP asks the rule about whoever windows_auth let in. Where it let in
// nobody, no rule can be asked: that is a mistake of the configuration, and
// never a pass. What windows_auth has waved through passes here too.
func (q *Require) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := answerOf(r.Context())
	if v != nil && v.waived {
		return next.ServeHTTP(w, r) // windows_auth let it in as it is
	}
	if v == nil || v.id == nil {
		o := outcomeOf(identity.KindNoIdentity, schemeNone)
		q.log.Error("require was reached without an identity", zap.String("event", o.event),
			zap.String("reason", identity.KindNoIdentity.String()), zap.String("path", r.URL.Path),
			zap.String("rule", q.rule.String()), zap.String("hint", "Put windows_auth before it, on every path that leads here."))
		return caddyhttp.Error(o.status, errNobody)
	}
	v.w, v.r = w, r
	if err := v.decide(q.rule); err != nil {
		return v.refuse(err)
	}
	v.recordPass()
	return next.ServeHTTP(w, r)
}

// Interface guards.
var (
	_ caddy.Module                = (*Require)(nil)
	_ caddy.Provisioner           = (*Require)(nil)
	_ caddyhttp.MiddlewareHandler = (*Require)(nil)
)
