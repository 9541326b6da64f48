package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

const requireUsage = "require valid-user, require user|group|sid|role <name>…, require attribute <name> <value>, require filter <(ldap-filter)> or require all|any { … }"

// ruleWords are the words after require, and the lines of its blocks.
func ruleWords() words[policy.Rule] {
	return words[policy.Rule]{
		"valid-user": {usage: "valid-user", parse: ruleValidUser},
		"user":       {usage: "user <name>…", least: 1, most: -1, parse: ruleUser},
		"group":      {usage: "group <name>…", least: 1, most: -1, parse: ruleGroup},
		"sid":        {usage: "sid <S-1-…>…", least: 1, most: -1, parse: ruleSID},
		"role":       {usage: "role <role>…", least: 1, most: -1, parse: ruleRole},
		"attribute":  {usage: "attribute <name> <value>", least: 2, most: 2, parse: ruleAttribute},
		"filter":     {usage: "filter <(ldap-filter)>", least: 1, most: 1, parse: ruleFilter},
		"all":        {usage: "all { … }", needsBlock: true, parse: ruleAll},
		"any":        {usage: "any { … }", needsBlock: true, parse: ruleAny},
		"none":       {usage: "none { … }", needsBlock: true, parse: ruleNone},
	}
}

// parseRequire reads the directive:
//
//	require [<matcher>] valid-user
//	require [<matcher>] user|group|sid|role <name>…
//	require [<matcher>] attribute <name> <value>
//	require [<matcher>] filter <(ldap-filter)>
//	require [<matcher>] all|any {
//		valid-user
//		user|group|sid|role <name>…
//		attribute <name> <value>
//		filter <(ldap-filter)>
//		all|any { … }
//		none { … }       # in all only
//	}
func parseRequire(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	l, err := readLine(h.NextSegment())
	if err != nil {
		return nil, err
	}
	rule, err := readRequire(l)
	return &caddyntlm.Require{Rule: rule}, err
}

// readRequire reads what stands after require.
func readRequire(l line) (policy.Rule, error) {
	if len(l.args) == 0 {
		return policy.Rule{}, errorAt(l.word, "nothing follows require: write %s", requireUsage)
	}
	rule, err := readRule("require", l.shift())
	if err != nil {
		return policy.Rule{}, err
	}
	return rule, compiles(rule, l.args[0])
}

// readRule reads one line of a rule, in the block called in.
func readRule(in string, l line) (policy.Rule, error) {
	if l.word.Text == "require" {
		return policy.Rule{}, errorAt(l.word, "the lines inside %s carry no require: write only what follows it", in)
	}
	if isNot(l.word) {
		return policy.Rule{}, keepOut(l.word)
	}
	known := ruleWords()
	if _, ok := known[l.word.Text]; !ok {
		return policy.Rule{}, unknownElse(l.word, "word", in, known.list(), groupMeant(in, l))
	}
	var rule policy.Rule
	err := known.readOne(&rule, in, l)
	return rule, err
}

// groupMeant asks whether a line that starts with a name lacks the word group.
func groupMeant(in string, l line) string {
	name, start := written(l.word), "group "
	if in == "require" {
		start = "require group "
	}
	switch {
	case name == "*", strings.HasPrefix(name, "/"), strings.HasPrefix(name, "@"):
		return "" // a matcher
	case len(l.args) > 0:
		return ", did you mean " + start + name + " …, with quotes around a name that has spaces?"
	}
	return ", did you mean " + start + name + "?"
}

// compiles passes on what the policy finds wrong with a rule, at its word.
func compiles(rule policy.Rule, at caddyfile.Token) error {
	if _, err := policy.Compile(rule); err != nil {
		return errorAt(at, "%w", err)
	}
	return nil
}

func ruleValidUser(r *policy.Rule, _ line) error {
	r.ValidUser = true
	return nil
}

func ruleUser(r *policy.Rule, l line) (err error) {
	r.User, err = readList(l)
	return err
}

func ruleGroup(r *policy.Rule, l line) error {
	pieces, err := readPieces(l)
	if err != nil {
		return err
	}
	if err := checkUsers(l, pieces); err != nil {
		return err
	}
	warnWellKnown(l, pieces)
	r.Group, err = joinNames(pieces)
	return err
}

func ruleSID(r *policy.Rule, l line) (err error) {
	r.SID, err = readList(l)
	return err
}

func ruleRole(r *policy.Rule, l line) (err error) {
	r.Role, err = readList(l)
	return err
}

func ruleAttribute(r *policy.Rule, l line) error {
	r.Attribute = &policy.Attribute{Name: l.args[0].Text, Value: l.args[1].Text}
	return nil
}

func ruleFilter(r *policy.Rule, l line) error {
	if r.Filter = l.args[0].Text; r.Filter == "" {
		return errorAt(l.args[0], "an empty filter, which nobody fits: write one such as (department=Web)")
	}
	return nil
}

func ruleAll(r *policy.Rule, l line) (err error) {
	r.All, err = readRules(l)
	return err
}

func ruleAny(r *policy.Rule, l line) (err error) {
	r.Any, err = readRules(l)
	return err
}

func ruleNone(r *policy.Rule, l line) (err error) {
	r.None, err = readRules(l)
	return err
}

// readRules reads the lines of a block. Each is compiled by itself, so that an
// error names its line; a none within all makes no rule alone and is compiled
// with the whole.
func readRules(block line) ([]policy.Rule, error) {
	in := block.word.Text
	rules := make([]policy.Rule, 0, len(block.block))
	for _, l := range block.block {
		rule, err := readRule(in, l)
		if err != nil {
			return nil, err
		}
		if in != "all" || rule.None == nil {
			if err := compiles(rule, l.word); err != nil {
				return nil, err
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// anyOf joins the require lines of one block: one of them is enough, as in
// Apache.
func anyOf(rules []policy.Rule) *policy.Rule {
	switch len(rules) {
	case 0:
		return nil
	case 1:
		return &rules[0]
	default:
		return &policy.Rule{Any: rules}
	}
}
