package caddyntlm

import (
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// challenge writes one WWW-Authenticate line for each scheme that can work on
// this request, in the order of the configuration. It gives the reason when
// there is none.
func (v *visit) challenge() (reason string) {
	lines := make([]string, 0, len(v.door.offered))
	var reasons []string
	for _, s := range v.door.offered {
		line, why := v.offer(s)
		if why != "" {
			if !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
			continue
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return "No way to log in works on this connection. " + strings.Join(reasons, " ")
	}
	v.w.Header()["Www-Authenticate"] = lines
	return ""
}

func (v *visit) offer(s scheme) (line, why string) {
	if v.codeless && !v.door.carries(s) {
		return "", "This site asks for a second factor, which " + s.word() + " does not carry."
	}
	if s == schemeBasic {
		if !v.mayBasic() {
			return "", "Basic needs HTTPS."
		}
		return `Basic realm="` + quote(v.realm()) + `", charset="UTF-8"`, ""
	}
	if s == schemeNegotiate && v.door.tickets != nil {
		return s.word(), "" // a ticket is one request's, whatever the connection
	}
	switch v.barrier {
	case identity.KindProxySeen:
		return "", "NTLM needs a connection of the client's own, and this request came through a proxy."
	case identity.KindNotPersistent:
		return "", "NTLM needs HTTP/1.1 and a connection that stays open."
	}
	// On HTTP/2 and HTTP/3 too: browsers that choose NTLM come back by
	// themselves with HTTP/1.1.
	return s.word(), ""
}

// word is the scheme of a handshake as HTTP has it.
func (s scheme) word() string {
	if s == schemeNegotiate {
		return "Negotiate"
	}
	return "NTLM"
}

// mayBasic reports whether a password may travel on this connection.
func (v *visit) mayBasic() bool {
	return v.r.TLS != nil || v.door.InsecureBasic
}

func (v *visit) realm() string {
	if v.door.Realm != "" {
		return v.door.Realm
	}
	host, _, err := net.SplitHostPort(v.r.Host)
	if err != nil {
		return v.r.Host
	}
	return host
}

// quote escapes for a quoted-string, RFC 9110 5.6.4.
func quote(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
}

// proceed answers a token with the next one and nothing else: no
// other challenge, no error page that an administrator's handle_errors might
// turn into a redirect.
func (v *visit) proceed(token []byte) {
	v.writeToken(token)
	v.w.Header().Set("Content-Length", "0")
	v.w.WriteHeader(http.StatusUnauthorized)
	veil(v.w)
}

// tellAccepted gives a client that negotiated the last token, beside whatever
// answer follows, RFC 4559 4.2.
func (v *visit) tellAccepted() {
	if len(v.final) > 0 {
		v.writeToken(v.final)
	}
}

func (v *visit) writeToken(token []byte) {
	v.w.Header()["Www-Authenticate"] = []string{v.scheme.word() + " " + base64.StdEncoding.EncodeToString(token)}
}
