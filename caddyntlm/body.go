package caddyntlm

import (
	"io"
	"net/http"
)

// drain reads what is left of the body of a request that will be refused, up
// to a cap, and reports whether it saw the end. An HTTP/1 connection whose
// client still sends is lost to the handshake: net/http closes it, and a
// client that waits for "100 Continue" waits in vain. Streams of HTTP/2 and
// HTTP/3 end one by one and need none of it.
func drain(r *http.Request, limit int64) bool {
	if r.ProtoMajor != 1 || r.Body == nil || r.Body == http.NoBody {
		return true
	}
	if r.ContentLength > limit {
		return false
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, limit+1))
	return err == nil && n <= limit
}
