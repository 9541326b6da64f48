package caddyntlm

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// A browser sends a cookie to all sites of a host, whatever port or path they have, so that
// the application of one site would see what opens another. What is known here to open one
// is taken out of every request.

// sessionCookies are the names of the cookies of all sites of this process. It outlives
// every configuration, like the metrics.
var sessionCookies = caddy.NewUsagePool()

// shareCookie tells all doors of the cookie of this one. Cleanup takes that back.
func (h *Handler) shareCookie() { sessionCookies.LoadOrStore(h.sessions.cookie, struct{}{}) }

// unshareCookie undoes shareCookie.
func (h *Handler) unshareCookie() {
	if h.sessions != nil {
		_, _ = sessionCookies.Delete(h.sessions.cookie) // nothing there can fail
	}
}

// cookieName is the name in a pair of a Cookie header, RFC 6265 4.2.1.
func cookieName(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return strings.Trim(name, " \t")
}

// isDoors reports whether a pair is the cookie of a session of some site, or the one of the
// log-in page's form.
func isDoors(pair string) bool {
	name := cookieName(pair)
	if !strings.HasPrefix(name, hostPrefix) {
		return false
	}
	_, known := sessionCookies.References(name)
	return known || name == formCookieName
}

// stripCookies takes pairs out of the cookies of a request and says which. Every other one
// stays as it is, byte for byte.
func stripCookies(header http.Header, goes func(pair string) bool) (taken []string) {
	lines := header["Cookie"]
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, hostPrefix) }) {
		return nil
	}
	var kept []string
	for _, line := range lines {
		var stay []string
		for i, pair := range strings.Split(line, ";") {
			switch {
			case goes(pair):
				taken = append(taken, pair)
			case len(stay) == 0 && i > 0:
				stay = append(stay, strings.TrimLeft(pair, " \t")) // the first of its line now
			default:
				stay = append(stay, pair)
			}
		}
		if left := strings.Join(stay, ";"); left != "" {
			kept = append(kept, left)
		}
	}
	if len(kept) == 0 {
		delete(header, "Cookie")
	} else {
		header["Cookie"] = kept
	}
	return taken
}

// stripSession takes the cookies of all sessions out of the request: they open doors, and
// are not the application's business.
func (v *visit) stripSession() {
	own := v.door.sessions
	v.keepTaken(stripCookies(v.r.Header, func(pair string) bool { return isDoors(pair) || own != nil && own.isOurs(pair) }))
}

// stripOthers leaves this site's own cookie where it is, and takes out those of others.
func (v *visit) stripOthers() {
	own := v.door.sessions
	v.keepTaken(stripCookies(v.r.Header, func(pair string) bool { return isDoors(pair) && (own == nil || !own.isOurs(pair)) }))
}

// keepTaken keeps cookies that were taken out for a page that may follow, and for a
// windows_auth further in, which may have its own among them.
func (v *visit) keepTaken(pairs []string) {
	before := v.takenBefore()
	if own := v.door.sessions; own != nil {
		pairs = slices.DeleteFunc(pairs, own.isOurs)
	}
	v.taken = append(slices.Clip(before), pairs...)
}

// takenBefore are the cookies that were taken out of the request so far, by this door or
// outer ones.
func (v *visit) takenBefore() []string {
	if v.taken != nil {
		return v.taken
	}
	if outer := answerOf(v.r.Context()); outer != nil {
		return outer.taken
	}
	return nil
}

// cookies are the lines of cookies that the client has sent, but for those that outer
// doors have for their own.
func (v *visit) cookies() []string {
	lines := v.r.Header["Cookie"]
	if taken := v.takenBefore(); len(taken) > 0 {
		return slices.Concat(lines, taken)
	}
	return lines
}
