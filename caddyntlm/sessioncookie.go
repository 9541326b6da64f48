package caddyntlm

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// cookieToken is the token in the cookie of a request. Several cookies of the name are
// none, unless all say the same: one of them may be another's.
func (s *sessions) cookieToken(lines []string) (session.Token, bool) {
	value, found := "", false
	for _, line := range lines {
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

// isOurs reports whether a pair of a Cookie header has the name.
func (s *sessions) isOurs(pair string) bool { return cookieName(pair) == s.cookie }

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
