package caddyntlm

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/loginpage"
)

// formCookieName is the cookie that forms are held to. It opens nothing, and all log-in
// pages of a host share it.
const formCookieName = hostPrefix + "windows_auth_form"

// formCookie is the value of that cookie. Two that differ are none: one of them may be
// another's.
func (v *visit) formCookie() (string, bool) {
	sent := http.Request{Header: http.Header{"Cookie": v.cookies()}}
	cookies := sent.CookiesNamed(formCookieName)
	if len(cookies) == 0 || slices.ContainsFunc(cookies, func(c *http.Cookie) bool { return c.Value != cookies[0].Value }) {
		return "", false
	}
	return cookies[0].Value, loginpage.ValidCookie(cookies[0].Value)
}

// giveFormCookie is the browser's cookie, a new one where it has none. It stays over
// log-ins and is shared by all tabs; it goes with the browser's window. Lax and not
// Strict: a link from elsewhere must not give another tab's form another cookie.
func (v *visit) giveFormCookie() string {
	if cookie, ok := v.formCookie(); ok {
		return cookie
	}
	cookie := loginpage.NewCookie()
	header := v.w.Header()
	header["Set-Cookie"] = append(header["Set-Cookie"], formCookieName+"="+cookie+"; Path=/; Secure; HttpOnly; SameSite=Lax")
	return cookie
}

// writePage answers with a page that has its paths and its token.
func (v *visit) writePage(status int, p loginpage.Page, reason loginpage.Reason) error {
	l := v.door.login
	p.AskCode = v.door.factor != nil
	p.Site, p.Login, p.Logout = v.r.Host, l.at(wordLogin), l.at(wordLogout)
	p.Action = p.Login
	if p.View == loginpage.ViewLogout {
		p.Action = p.Logout
	}
	p.Token = loginpage.NewToken(v.giveFormCookie())
	if err := l.page.Write(v.w, v.r, status, p, reason); err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	return nil
}

// showLogin is the page by itself: whoever is logged in may be somebody else there.
func (v *visit) showLogin() error {
	l := v.door.login
	next := loginpage.Target(v.r.URL.Query().Get("next"), l.base, "")
	return v.writePage(http.StatusOK, loginpage.Page{View: loginpage.ViewLogin, Next: next}, "")
}

// isBrowser guesses whether a browser asks, which would cover the page with a prompt of
// its own where it finds a challenge that it can answer with a password.
func (v *visit) isBrowser() bool {
	return v.door.login != nil && mayCarry(v.r) && keepsCookies(v.r)
}

// wantsPage reports whether a browser will show a person what the answer holds.
func (v *visit) wantsPage() bool {
	if !v.isBrowser() || v.r.Header.Get("X-Requested-With") != "" {
		return false
	}
	mode := v.r.Header.Get("Sec-Fetch-Mode")
	return (mode == "" || mode == "navigate") && slices.ContainsFunc(v.r.Header["Accept"], acceptsHTML)
}

// acceptsHTML reports whether a line of Accept, RFC 9110 12.5.1, names HTML and means it.
func acceptsHTML(line string) bool {
	for item := range strings.SplitSeq(line, ",") {
		kind, weight, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(kind), "text/html") {
			continue
		}
		_, number, weighted := strings.Cut(strings.ReplaceAll(weight, " ", ""), "q=")
		q, err := strconv.ParseFloat(number, 64)
		return !weighted || err == nil && q > 0
	}
	return false
}

// invite is the 401 of a browser: the challenges that it answers without asking anybody,
// and the page for those who have to be asked. A 401 and no redirect: the address stays
// the one that was asked for, a script learns that it is logged out, and a ticket is asked
// for on the way, so that whoever has one never sees the page. A 401 must name a challenge
// (RFC 9110 15.5.2); Bearer is one that this site takes and no browser asks anybody for.
func (v *visit) invite() error {
	l := v.door.login
	header := v.w.Header()
	switch {
	case l.sso == ssoAll && v.challenge() == "":
	case l.sso == ssoKerberos && v.door.tickets != nil && v.scheme != schemeNegotiate && slices.Contains(v.door.offered, schemeNegotiate):
		// Where a token has just failed, asking again would have the browser ask for a
		// password.
		header["Www-Authenticate"] = []string{schemeNegotiate.word(), v.bearer()}
	default:
		header["Www-Authenticate"] = []string{v.bearer()}
	}
	if !v.wantsPage() {
		header.Add("Vary", "Accept, Sec-Fetch-Mode")
		return caddyhttp.Error(http.StatusUnauthorized, errNobody)
	}
	next := ""
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead {
		next = loginpage.Target(asked(v.r).URL.RequestURI(), l.base, "")
	}
	return v.writePage(http.StatusUnauthorized, loginpage.Page{View: loginpage.ViewLogin, Next: next}, "")
}

// bearer is the challenge for keys, RFC 6750 3.
func (v *visit) bearer() string { return `Bearer realm="` + quote(v.realm()) + `"` }

// forbid is the 403 of a browser: who is known and may not can be somebody else. A site
// with error pages of its own has one for this too.
func (v *visit) forbid(kind identity.Kind) bool {
	return kind == identity.KindDenied && v.id != nil && v.wantsPage() && !v.hasErrorPages()
}

func (v *visit) hasErrorPages() bool {
	s := v.door.server
	return s != nil && s.Errors != nil && len(s.Errors.Routes) > 0
}
