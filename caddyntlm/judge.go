package caddyntlm

import (
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// decide asks a rule whether the user may go on.
func (v *visit) decide(rule *policy.Policy) error {
	decision, err := v.judge(rule)
	if err != nil {
		return err
	}
	v.rule = decision.Rule
	if !decision.Allow {
		return identity.Fail(identity.KindDenied, nil)
	}
	return nil
}

// judge asks a rule. Before a no the groups are asked for again, unless they were read
// a moment ago. What the rule wants to know and nobody has asked yet is asked at any
// age: the identity may be of before a reload that brought the rule.
func (v *visit) judge(rule *policy.Policy) (policy.Decision, error) {
	decision := rule.Decide(v.id, v.door.scope)
	if !decision.Allow && (decision.Unasked || v.age() > v.door.limits.groups) {
		final := v.loggedIn // straight after a log-in nothing newer can be had
		err := v.renew()
		switch {
		case err == nil:
			decision = rule.Decide(v.id, v.door.scope)
		case !final || kindOf(err) != identity.KindCannotRefresh:
			return decision, err
		}
	}
	return decision, nil
}
