package caddyntlm

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// headerNames are names of headers, folded.
type headerNames []string

func newHeaderNames(names ...string) headerNames {
	folded := make(headerNames, len(names))
	for i, name := range names {
		folded[i] = fold(name)
	}
	return folded
}

// fold writes a name as the most careless application reads it. CGI turns
// X-Remote-User into HTTP_X_REMOTE_USER (RFC 3875 4.1.18), and so X_Remote_User,
// and in some servers X.Remote.User; others overlook a space at the end.
func fold(name string) string {
	folded := []byte(strings.TrimSpace(name))
	for i, c := range folded {
		folded[i] = foldByte(c)
	}
	return string(folded)
}

func foldByte(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		return c
	}
	return '-'
}

// has reports whether a name may pass for one of these.
func (n headerNames) has(name string) bool {
	name = strings.TrimSpace(name)
	return slices.ContainsFunc(n, func(folded string) bool {
		if len(name) != len(folded) {
			return false
		}
		for i := range len(name) {
			if foldByte(name[i]) != folded[i] {
				return false
			}
		}
		return true
	})
}

// claims are headers that say who somebody is, or to which directory to turn, to
// many an application that never checks who wrote them: REMOTE_USER as proxies
// hand it on, and the settings of nginx's LDAP daemon. Here no client has
// anything to say in them.
var claims = newHeaderNames(
	"Remote-User", "X-Remote-User", "X-Forwarded-User",
	"X-Ldap-URL", "X-Ldap-Starttls", "X-Ldap-DisableReferrals", "X-Ldap-BaseDN", "X-Ldap-BindDN", "X-Ldap-BindPass",
	"X-Ldap-Template", "X-Ldap-Realm",
)

// stripClient removes what only this server may say. An outer windows_auth has
// done so already, and may have set such a header since.
func (v *visit) stripClient() {
	if answerOf(v.r.Context()) != nil {
		v.strip(v.door.forwarding.names)
		return
	}
	v.strip(v.door.stripped)
}

// strip takes from the request all that may pass for a header of these names:
// the headers themselves, trailers, and what stands in Connection. A name
// nominated there would make reverse_proxy delete the header that is set later
// (RFC 9110 7.6.1).
func (v *visit) strip(names headerNames) {
	if len(names) == 0 {
		return
	}
	for key := range v.r.Header {
		if names.has(key) {
			delete(v.r.Header, key)
			v.recordStripped(key, "header")
		}
	}
	v.stripConnection(names)
	v.stripTrailers(names)
	if v.r.Trailer != nil && v.r.Body != nil && v.r.Body != http.NoBody {
		v.r.Body = &trailerFilter{v.r.Body, func() { v.stripTrailers(names) }}
	}
}

func (v *visit) stripConnection(names headerNames) {
	lines := v.r.Header["Connection"]
	if !slices.ContainsFunc(lines, func(line string) bool { return names.inList(line) }) {
		return
	}
	var kept []string
	for _, line := range lines {
		for token := range strings.SplitSeq(line, ",") {
			if names.has(token) {
				v.recordStripped(strings.TrimSpace(token), "connection")
			} else if token = strings.TrimSpace(token); token != "" {
				kept = append(kept, token)
			}
		}
	}
	if len(kept) == 0 {
		delete(v.r.Header, "Connection")
		return
	}
	v.r.Header["Connection"] = []string{strings.Join(kept, ", ")}
}

// inList reports whether one of the names is in a list with commas.
func (n headerNames) inList(line string) bool {
	for token := range strings.SplitSeq(line, ",") {
		if n.has(token) {
			return true
		}
	}
	return false
}

// stripTrailers removes trailers, whether announced before the body or already
// there after it.
func (v *visit) stripTrailers(names headerNames) {
	for key := range v.r.Trailer {
		if names.has(key) {
			delete(v.r.Trailer, key)
			v.recordStripped(key, "trailer")
		}
	}
}

// trailerFilter calls strip when the body is at its end: net/http fills in the
// trailers just before it says so, once one is announced all that come.
type trailerFilter struct {
	io.ReadCloser
	strip func()
}

func (f *trailerFilter) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil {
		f.strip()
	}
	return n, err
}

// recordStripped writes that a client sent what only this server may, for those
// who debug. The value is the client's and may be a secret of its.
func (v *visit) recordStripped(name, where string) {
	if c := v.door.log.Check(zapcore.DebugLevel, "header of the client removed"); c != nil {
		c.Write(zap.String("reason", "header_stripped"), zap.String("header", name), zap.String("where", where),
			zap.String("conn", v.conn.String()), zap.String("remote_ip", remoteIP(v.r)), zap.String("path", v.r.URL.Path))
	}
}
