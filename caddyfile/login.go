package caddyfile

import (
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

var loginUsage = "login [<path>], or " + blockUsage("login [<path>]", "redirect <path>", "page <file>", "sso kerberos|all|none")

// loginWords are the lines of a login block.
func loginWords() words[caddyntlm.Login] {
	return words[caddyntlm.Login]{
		"redirect": {usage: "redirect <path>", least: 1, most: 1, parse: func(p *caddyntlm.Login, l line) error {
			p.Redirect = l.args[0].Text
			if err := caddyntlm.CheckLogin(p); err != nil {
				return errorAt(l.args[0], "%w", err)
			}
			return nil
		}},
		"page": {usage: "page <file>", least: 1, most: 1, parse: func(p *caddyntlm.Login, l line) error {
			p.Page = l.args[0].Text
			return nil
		}},
		"sso": {usage: "sso kerberos|all|none", least: 1, most: 1, parse: func(p *caddyntlm.Login, l line) error {
			if p.SSO = l.args[0].Text; !slices.Contains(caddyntlm.SSOWords(), p.SSO) {
				return unknown(l.args[0], "word", "sso", caddyntlm.SSOWords())
			}
			return nil
		}},
	}
}

func readLogin(a *handler, l line) error {
	a.Login, a.loginAt = new(caddyntlm.Login), &l.word
	if len(l.args) > 0 {
		a.Login.Path = l.args[0].Text
		if strings.Contains(a.Login.Path, "*") {
			return errorAt(l.args[0], "login: %s is no matcher: write the path alone, without *, and all below it is the log-in's, such as login %s", short(a.Login.Path), caddyntlm.DefaultLoginPath)
		}
		if err := caddyntlm.CheckLogin(a.Login); err != nil || a.Login.Path == "" {
			return errorAt(l.args[0], "%s is not a path such as %s, below which there is nothing of the site: write %s", short(a.Login.Path), caddyntlm.DefaultLoginPath, loginUsage)
		}
	}
	return loginWords().read(a.Login, "login", l.block)
}

// checkLogin wants sessions where there is a log-in page, and somebody who can say whether a
// password is right.
func (a *handler) checkLogin() error {
	if a.Login == nil {
		return nil
	}
	if a.Session == nil {
		return errorAt(*a.loginAt, "login needs sessions, or a log-in would be forgotten with its answer: write session on a line beside it")
	}
	names := a.verifiers()
	if !slices.ContainsFunc(names, func(name string) bool { return caddyldap.Serves(name).Password }) {
		return errorAt(*a.loginAt, "login: no verifier of the site's directories checks passwords: there is verify %s; write one more that does, such as verify bind", strings.Join(names, ", verify "))
	}
	return nil
}
