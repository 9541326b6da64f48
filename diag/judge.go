package diag

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// judge asks a rule.
func (g *judgement) judge(where string, rule policy.Rule) error {
	compiled, err := policy.Compile(rule)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	finding := compiled.Explain(g.id, g.scope, g.whole)
	tell(g.out, &finding, 1)
	g.noteGroups(g.ctx, rule)
	switch finding.Verdict {
	case policy.Fits:
		return nil
	case policy.Unseen:
		return &advice{fmt.Errorf("whether %s lets %s in shows at a log-in alone", where, g.id.Logon()), "say --log-in, with the user's password"}
	}
	hint := "the lines above say which of the rule does not fit; check-user --verbose lists the user's groups"
	if g.presumed != "" {
		hint = "the rule stands in a route that is taken only where " + g.presumed + "; " + hint
	}
	return &no{&advice{fmt.Errorf("403 Forbidden: %s does not let %s in", where, g.id.Logon()), hint}}
}

// noteGroups says which groups of a rule are not there: that is a mistake of the
// rule in most cases, in none too.
func (g *judgement) noteGroups(ctx context.Context, rule policy.Rule) {
	names := rule.Groups()
	if len(names) == 0 || !g.from.HasServiceAccount() {
		return
	}
	found, err := g.from.Presence(ctx, nil, names)
	if err != nil {
		say(g.out, "  note      whether the groups are there could not be found out: %v\n", err)
		return
	}
	for _, line := range missing(g.from, names, found) {
		say(g.out, "  note      %s\n", line)
	}
}

// member decides the matchers of users and groups by what is known so far.
func (g *judgement) member(matcher string, raw json.RawMessage) (truth, error) {
	if g.id == nil {
		return isNo, nil // nobody has come through windows_auth yet
	}
	var names struct {
		Names []string `json:"names"`
	}
	if err := json.Unmarshal(raw, &names); err != nil {
		return isNo, err
	}
	rule := policy.Rule{User: names.Names}
	if matcher == "windows_group" {
		rule = policy.Rule{Group: names.Names}
	}
	compiled, err := policy.Compile(rule)
	if err != nil {
		return isNo, fmt.Errorf("%s: %w", matcher, err)
	}
	finding := compiled.Explain(g.id, g.scope, g.whole)
	if finding.Verdict == policy.Unseen {
		return isOpen, nil
	}
	return truthOf(finding.Verdict == policy.Fits), nil
}
