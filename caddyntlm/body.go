package caddyntlm

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

var errBodyCap = errors.New("the request body is longer than max_body")

// How long a stream of HTTP/2 or HTTP/3 that will be refused may go on sending,
// each time for a stranger: a body of known length, and one that may be half of
// a conversation.
const (
	patienceBody   = 10 * time.Second
	patienceStream = 2 * time.Second
)

// drainRefused reads what a client still sends with a request that will be
// refused, and reports whether it saw the end. An HTTP/1 connection whose client
// still sends is lost to the handshake: net/http closes it, and a client that
// waits for "100 Continue" waits in vain. How slowly a client may send there is a
// matter of Caddy's timeouts. A stream of HTTP/2 or HTTP/3 would be reset, which
// some clients take for the answer; but one that waits for the answer before it
// ends its body must get it (RFC 9113 8.1).
func (v *visit) drainRefused() error {
	if v.r.ProtoMajor == 1 {
		return drain(v.r, v.door.limits.body)
	}
	if v.r.Method == http.MethodConnect || strings.HasPrefix(v.r.Header.Get("Content-Type"), "application/grpc") {
		return nil // a conversation by its nature
	}
	patience := patienceBody
	if v.r.ContentLength < 0 {
		patience = patienceStream
	}
	control := http.NewResponseController(v.w)
	if control.SetReadDeadline(time.Now().Add(patience)) != nil && v.r.ContentLength < 0 {
		return nil // it might never end
	}
	err := drain(v.r, v.door.limits.body)
	_ = control.SetReadDeadline(time.Time{}) // the stream may be gone
	return err
}

// drain reads what is left of a body, up to a cap, and reports whether it saw
// the end.
func drain(r *http.Request, limit int64) error {
	// Caddy wraps http.NoBody, and a read of that sets two deadlines. By HTTP/2 a body of no
	// bytes has an end all the same, and a client that has not sent it is reset.
	if r.Body == nil || r.Body == http.NoBody || r.ProtoMajor == 1 && r.ContentLength == 0 {
		return nil
	}
	if r.ContentLength > limit {
		return errBodyCap
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, limit+1))
	if err == nil && n > limit {
		return errBodyCap
	}
	return err
}

// drainLeg drains the body that came with a Type 1.
func (v *visit) drainLeg() error {
	err := drain(v.r, v.door.limits.body)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &identity.Error{
			Kind: identity.KindHandshakeTimeout, Err: err,
			Hint: "A client stopped sending its request body in the middle of a log-in.",
		}
	}
	return &identity.Error{
		Kind: identity.KindBodyTooLarge,
		Hint: "A client sends its whole request body with each leg of a log-in; raise max_body, or let it log in with a small request first.",
	}
}
