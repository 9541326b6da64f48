package caddyntlm

import (
	"net/http"

	"go.uber.org/zap/zapcore"
)

// isPreflight reports whether a request is a CORS preflight, as browsers send
// it: OPTIONS with the origin and the method that will follow, without body and
// without credentials of any kind. Such a request cannot log in; what follows
// it can. Anything else that calls itself one is a request like any other.
// See https://fetch.spec.whatwg.org/#cors-preflight-fetch.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header["Origin"]) == 1 && len(r.Header["Access-Control-Request-Method"]) == 1 &&
		len(r.Header["Authorization"]) == 0 && len(r.Header["Cookie"]) == 0 &&
		r.ContentLength == 0 // of unknown length it is -1
}

// waive lets a request pass without an identity, whoever is logged in on its
// connection: placeholders are empty, and a later require lets it pass.
func (v *visit) waive(reason string) {
	v.step(eventNothing, held{}) // ends a handshake, as any request in the middle of one does
	v.strip(overrides)           // an application must not make another method of it
	v.exposeNobody()
	v.count("waive", reason)
	if c := v.door.log.Check(zapcore.DebugLevel, decision); c != nil {
		c.Write(v.fields("waive", reason, nil)...)
	}
}
