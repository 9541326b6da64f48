package caddyntlm

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/loginpage"
)

// statusClientGone is what Caddy writes in its access log when nobody is left
// to answer.
const statusClientGone = 499

// retryAfter is the number of seconds after which a controller may be back.
const retryAfter = "5"

// refuse answers a request that is not let in. The answer is a caddyhttp.Error,
// so that handle_errors can make a page of it; the headers set here, the
// challenges among them, stay. Its text is for the client and tells no detail.
func (v *visit) refuse(err error) error {
	if reply, ok := errors.AsType[*owed](err); ok {
		v.conceal()
		v.recordChallenge(reply.reason)
		v.proceed(reply.token)
		return nil
	}
	_ = v.fail(err)
	kind := kindOf(err)
	o := outcomeOf(kind, v.scheme)
	if v.r.Context().Err() != nil && o.status >= http.StatusInternalServerError {
		v.recordGone(err)
		return caddyhttp.Error(statusClientGone, context.Canceled)
	}
	v.record(o, kind, err)
	header := v.w.Header()
	if o.status != http.StatusForbidden {
		header.Del("Www-Authenticate") // what an outer windows_auth wrote: it let the request in
	}
	// The connection of HTTP/2 and HTTP/3 may be others' too: the end of a stream,
	// whole or not, is not its end.
	if undrained := v.drainRefused() != nil; (o.close || undrained) && v.r.ProtoMajor == 1 {
		header.Set("Connection", "close")
	}
	switch o.status {
	case http.StatusUnauthorized:
		if v.isBrowser() {
			return v.invite()
		}
		if reason := v.challenge(); reason != "" {
			return v.explain(reason)
		}
	case http.StatusForbidden:
		v.tellAccepted()
		if v.forbid(kind) {
			return v.writePage(o.status, loginpage.Page{View: loginpage.ViewDenied, User: shownName(v.id)}, "")
		}
	case http.StatusTooManyRequests:
		header.Set("Retry-After", throttledFor(err))
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	}
	return caddyhttp.Error(o.status, errors.New(o.text))
}

// fail makes the request nobody's and gives its error back. An error page may come from
// another server, which must see neither a password nor a token.
func (v *visit) fail(err error) error {
	v.conceal()
	v.r.Header.Del("Authorization")
	v.stripSession()
	return err
}

// explain writes a 401 that can carry no challenge. It says why in its body,
// because nothing else would tell the user; where the configuration has error
// pages they are given the text instead.
func (v *visit) explain(reason string) error {
	if v.hasErrorPages() {
		return caddyhttp.Error(http.StatusUnauthorized, errors.New(reason))
	}
	header := v.w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	v.w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(v.w, reason+"\n") // nobody is left to be told of an error
	return nil
}

// kindOf is the kind of an error, also of one that a context made.
func kindOf(err error) identity.Kind {
	if _, ok := errors.AsType[*identity.Error](err); !ok && errors.Is(err, context.DeadlineExceeded) {
		return identity.KindTimeout
	}
	return identity.KindOf(err)
}
