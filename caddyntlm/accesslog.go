package caddyntlm

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// redacted is what Caddy's logs say in the place of a credential.
const redacted = " REDACTED"

// veil keeps the Type 2 out of Caddy's access log, which redacts credentials
// of the request and writes response headers as they stand when the request is
// over. Once the header is on the wire nobody reads the challenge again, and
// the map may say something else. Where a handler in front still holds the
// answer back, as encode does in a route before windows_auth, it stays:
// docs/windows_auth.md tells the cure.
func veil(w http.ResponseWriter) {
	if recorder := accessRecorder(w); recorder != nil && !recorder.Buffered() && recorder.Status() == http.StatusUnauthorized {
		scheme, _, _ := strings.Cut(w.Header().Get("Www-Authenticate"), " ")
		w.Header()["Www-Authenticate"] = []string{scheme + redacted}
	}
}

// transparent are the writers that Caddy's server puts between net/http and the
// recorder of its access log, and that recorder's base itself. They hand a
// status on at once.
var transparent = []string{"*caddyhttp.IdleTimeoutWriter", "*caddyhttp.readDeadlineWriter", "*http.response"}

// accessRecorder finds the recorder that serves the access log: the one before
// the server's own writers, of which net/http's takes a copy of the header as
// soon as it is told the status. Recorders further out may have a handler
// behind them that holds the answer back. Nil where a writer is not known.
func accessRecorder(w http.ResponseWriter) (recorder caddyhttp.ResponseRecorder) {
	for {
		if r, ok := w.(caddyhttp.ResponseRecorder); ok {
			recorder = r
		} else if !slices.Contains(transparent, reflect.TypeOf(w).String()) {
			recorder = nil
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return recorder
		}
		w = wrapper.Unwrap()
	}
}
