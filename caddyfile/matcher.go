package caddyfile

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

func init() {
	caddy.RegisterModule(new(WindowsUser))
	caddy.RegisterModule(new(WindowsGroup))
}

// WindowsUser is http.matchers.windows_user.
type WindowsUser struct{ caddyntlm.MatchWindowsUser }

// WindowsGroup is http.matchers.windows_group.
type WindowsGroup struct{ caddyntlm.MatchWindowsGroup }

// CaddyModule returns the Caddy module information.
func (*WindowsUser) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.windows_user", New: func() caddy.Module { return new(WindowsUser) }}
}

// CaddyModule returns the Caddy module information.
func (*WindowsGroup) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.windows_group", New: func() caddy.Module { return new(WindowsGroup) }}
}

// UnmarshalCaddyfile reads windows_user <name>…, the list that require user has.
func (m *WindowsUser) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return eachMatcher(d, func(rule policy.Rule) { m.Names = append(m.Names, rule.User...) })
}

// UnmarshalCaddyfile reads windows_group <name>…, the list that require group
// has.
func (m *WindowsGroup) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return eachMatcher(d, func(rule policy.Rule) { m.Names = append(m.Names, rule.Group...) })
}

// matcherWords are the matchers as lines.
func matcherWords() words[policy.Rule] {
	return words[policy.Rule]{
		"windows_user":  {usage: "windows_user <name>…", least: 1, most: -1, parse: ruleUser},
		"windows_group": {usage: "windows_group <name>…", least: 1, most: -1, parse: ruleGroup},
	}
}

// eachMatcher reads the lines of one matcher: Caddy joins those of one name.
func eachMatcher(d *caddyfile.Dispenser, add func(policy.Rule)) error {
	for d.Next() {
		l, err := readLine(d.NextSegment())
		if err != nil {
			return err
		}
		var rule policy.Rule
		if err := matcherWords().readOne(&rule, "a matcher", l); err != nil {
			return err
		}
		if err := inWord(l.word, compiles(rule, l.word)); err != nil {
			return err
		}
		add(rule)
	}
	return nil
}

// Interface guards.
var (
	_ caddyfile.Unmarshaler = (*WindowsUser)(nil)
	_ caddyfile.Unmarshaler = (*WindowsGroup)(nil)
)
