package caddyntlm

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// throughProxy reports whether a request came through a proxy, which may send
// the requests of several clients over one connection. It is careful in one
// direction only: a client that forges such a header loses the log-in of its
// own connection and gains nothing.
func throughProxy(r *http.Request) bool {
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		return true
	}
	for name := range r.Header {
		switch {
		case name == "Via", name == "Forwarded", name == "X-Real-Ip":
			return true
		case strings.HasPrefix(name, "X-Forwarded-"):
			return true
		}
	}
	return false
}
