package caddyntlm

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// cookieToken is the token in the cookie of a request. Several cookies of the name are
// none, unless all say the same: one of them may be another's.
func (s *sessions) cookieToken(header http.Header) (session.Token, bool) {
	value, found := "", false
	for _, line := range header["Cookie"] {
		if !strings.Contains(line, s.cookie) {
			continue
		}
		for pair := range strings.SplitSeq(line, ";") {
			if !s.isOurs(pair) {
				continue
			}
			_, this, _ := strings.Cut(pair, "=")
			this = strings.Trim(this, " \t")
			if found && this != value {
				return session.Token{}, false
			}
			value, found = this, true
		}
	}
	if !found {
		return session.Token{}, false
	}
	token, err := session.ParseToken(value)
	return token, err == nil
}

// isOurs reports whether a pair of a Cookie header, RFC 6265 4.2.1, has the name.
func (s *sessions) isOurs(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	return strings.Trim(name, " \t") == s.cookie
}

// isDoors reports whether a pair is that cookie or the one of the log-in page's form.
func (s *sessions) isDoors(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	return s.isOurs(pair) || strings.Trim(name, " \t") == formCookieName
}

// stripCookie takes the cookie out of a request: it opens this door, and is not the
// application's business. Every other one stays as it is, byte for byte.
func (s *sessions) stripCookie(header http.Header) {
	lines := header["Cookie"]
	if !slices.ContainsFunc(lines, func(line string) bool {
		return strings.Contains(line, s.cookie) || strings.Contains(line, formCookieName)
	}) {
		return
	}
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		if line = s.without(line); line != "" {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		delete(header, "Cookie")
		return
	}
	header["Cookie"] = kept
}

// stripSession takes the cookie of a session out of the request.
func (v *visit) stripSession() {
	if v.door.login != nil && v.form == "" {
		v.form, _ = v.formCookie() // a page may follow, for the same browser
	}
	if v.door.sessions != nil {
		v.door.sessions.stripCookie(v.r.Header)
	}
}

// without is a line of cookies without ours.
func (s *sessions) without(line string) string {
	pairs := strings.Split(line, ";")
	others := slices.DeleteFunc(slices.Clone(pairs), s.isDoors)
	if len(others) == len(pairs) {
		return line
	}
	if s.isDoors(pairs[0]) && len(others) > 0 {
		others[0] = strings.TrimLeft(others[0], " \t")
	}
	return strings.Join(others, ";")
}

// giveCookie sends the token of a session to a browser, which keeps it until it is
// closed. No cache may keep an answer with a token in it.
func (s *sessions) giveCookie(header http.Header, token session.Token) {
	s.setCookie(header, token.Reveal(), "")
}

// takeCookie has the browser forget the cookie.
func (s *sessions) takeCookie(header http.Header) { s.setCookie(header, "", "; Max-Age=0") }

// setCookie writes the cookie, in the place of one that was written before.
func (s *sessions) setCookie(header http.Header, value, more string) {
	lines := slices.DeleteFunc(header["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, s.cookie+"=") })
	header["Set-Cookie"] = append(lines, s.cookie+"="+value+"; Path=/; Secure; HttpOnly; SameSite=Lax"+more)
	header.Set("Cache-Control", "no-store")
}

// keepsCookies guesses whether a client will send a cookie back: browsers say what they
// fetch for, or that they take a page, and programs mostly neither. A wrong guess costs a
// log-in or, of an account, one of its session.MostOf places.
func keepsCookies(r *http.Request) bool {
	if len(r.Header["Sec-Fetch-Mode"]) > 0 {
		return true
	}
	return slices.ContainsFunc(r.Header["Accept"], func(line string) bool { return strings.Contains(line, "text/html") })
}
