package caddyntlm

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

var errBodyCap = errors.New("the request body is longer than max_body")

// drain reads what is left of the body of a request that will be refused, up
// to a cap, and reports whether it saw the end. An HTTP/1 connection whose
// client still sends is lost to the handshake: net/http closes it, and a
// client that waits for "100 Continue" waits in vain. A stream of HTTP/2 or
// HTTP/3 would be reset, which some clients take for the answer. How slowly a
// client may send is a matter of Caddy's timeouts.
func drain(r *http.Request, limit int64) error {
	if r.Body == nil || r.Body == http.NoBody {
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
