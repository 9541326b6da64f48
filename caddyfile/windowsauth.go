package caddyfile

import (
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// handler is a windows_auth being read, and what of its block is joined or
// checked at the end.
type handler struct {
	caddyntlm.Handler
	// rules are those of the lines require, and rulesAt their words.
	rules   []policy.Rule
	rulesAt []caddyfile.Token
	// forwardAt are the words of Forward, one each.
	forwardAt []caddyfile.Token
	// schemes are the tokens of Schemes, one each.
	schemes []caddyfile.Token
	// refused is the word of ntlm refuse, nil without it.
	refused *caddyfile.Token
	// factor is the word totp, nil without it.
	factor *caddyfile.Token
	// secretAt is the attribute of totp.
	secretAt caddyfile.Token
	// loginAt is the word login, nil without it.
	loginAt *caddyfile.Token
	// site are the directories in order.
	site []*caddyldap.Directory
	// own is the one directory of the short form, nil in the other.
	own *directory
	// helper knows the named matchers of the site.
	helper httpcaddyfile.Helper
}

// handlerWords are the lines of a windows_auth block.
func handlerWords() words[handler] {
	w := words[handler]{
		"schemes":        {usage: "schemes <scheme>…", least: 1, most: -1, parse: readSchemes},
		"insecure_basic": {usage: "insecure_basic", parse: readInsecureBasic},
		"require":        {usage: requireUsage, least: 1, most: -1, many: true, block: true, parse: addRequire},
		"bypass":         {usage: bypassUsage, most: -1, many: true, block: true, parse: addBypass},
		"forward":        {usage: forwardUsage, least: 2, most: 2, many: true, parse: addForward},
		"username":       {usage: usernameUsage, least: 1, most: 2, parse: readUsername},
		"realm":          {usage: "realm <text>", least: 1, most: 1, parse: readRealm},
		"ntlm":           {usage: ntlmUsage, least: 1, most: 1, parse: readNTLM},
		"totp":           {usage: totpUsage, needsBlock: true, parse: readTOTP},
		"session":        {usage: sessionUsage, block: true, parse: readSession},
		"login":          {usage: loginUsage, most: 1, block: true, parse: readLogin},
		"directory":      {usage: "directory { … }", needsBlock: true, parse: readOwnDirectory},
	}
	maps.Copy(w, limitWords())
	maps.Copy(w, protectionWords())
	return w
}

// parseWindowsAuth reads the directive:
//
//	windows_auth [<matcher>] <NAME>…|<ldap-url>… {
//		schemes ntlm basic
//		insecure_basic
//		require …              # any of several
//		bypass <matcher>…      # any of several
//		forward <Header> <value>
//		username sam|logon|upn|dn|sid [lower]
//		realm <text>
//		handshake_timeout <duration>
//		max_body <size>
//		max_pending <total> [<per-address>]
//		throttle off | throttle { … }
//		allow_preflight
//		one_to_one <cidr>…
//		extended_protection off|allow|require
//		accept_binding <hex>…
//		accept_target <host>…
//		ntlm allow|warn|refuse
//		totp { … }             # see readTOTP
//		session {              # or alone
//			ttl <duration>
//			idle <duration>
//			cookie <name>
//		}
//		login [<path>] {       # or alone
//			redirect <path>
//			page <file>
//			sso kerberos|all|none
//		}
//		directory { … }        # with URLs: the words of an ldap block
//	}
func parseWindowsAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	l, err := readLine(h.NextSegment())
	if err != nil {
		return nil, err
	}
	app, err := readApp(h.Option("ldap"))
	if err != nil {
		return nil, errorAt(l.word, "reading the ldap blocks: %w", err)
	}
	a := &handler{helper: h}
	if err := a.readDirectories(l, app); err != nil {
		return nil, err
	}
	if err := a.checkPlaces(l.block); err != nil {
		return nil, err
	}
	if err := handlerWords().read(a, "windows_auth", l.block); err != nil {
		return nil, err
	}
	if err := a.finishOwn(l.word); err != nil {
		return nil, err
	}
	if err := a.checkFactor(); err != nil {
		return nil, err
	}
	if err := a.checkRoles(); err != nil {
		return nil, err
	}
	a.Require = anyOf(a.rules)
	if err := a.checkLogin(); err != nil {
		return nil, err
	}
	return &a.Handler, a.checkSchemes()
}

func readInsecureBasic(a *handler, _ line) error {
	a.InsecureBasic = true
	return nil
}

func addRequire(a *handler, l line) error {
	rule, err := readRequire(l)
	a.rules, a.rulesAt = append(a.rules, rule), append(a.rulesAt, l.word)
	return err
}

const usernameUsage = "username sam|logon|upn|dn|sid [lower]"

func readUsername(a *handler, l line) error {
	formats := []string{"sam", "logon", "upn", "dn", "sid"}
	if !slices.Contains(formats, l.args[0].Text) {
		return unknown(l.args[0], "format", "username", formats)
	}
	if len(l.args) == 2 && l.args[1].Text != "lower" {
		return unknown(l.args[1], "word", "username", []string{"lower"})
	}
	a.Username = &caddyntlm.Username{Format: l.args[0].Text, Lower: len(l.args) == 2}
	return nil
}

func readRealm(a *handler, l line) error {
	a.Realm = l.args[0].Text
	return nil
}
