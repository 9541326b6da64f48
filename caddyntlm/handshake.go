package caddyntlm

import (
	"bytes"
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// handshake is an exchange that waits for its Type 3, with its deadline and
// its place in the quota. It ends once: finished, closed or timed out. A nil
// handshake is over.
type handshake struct {
	scheme   scheme
	acceptor *spnego.Acceptor      // of Negotiate, else nil
	exchange identity.NTLMExchange // nil while Negotiate waits for the Type 1
	place    *place
	took     time.Duration      // the first leg, for the metrics
	known    bool               // somebody was logged in when it began
	proven   *identity.Identity // by a ticket, where the client owes a MIC alone
	verifier string             // of proven
	claimed  identity.Name
	meant    identity.Meant
	demand   string // of the request that began it
	mu       sync.Mutex
	timer    *time.Timer
	over     bool
}

// arm starts the deadline. Nothing happens when the handshake is over already.
func (h *handshake) arm(after time.Duration, late func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		h.timer = time.AfterFunc(after, late)
	}
}

// close ends the handshake and frees what it holds, at the controller too. It
// may be called from any goroutine, more than once.
func (h *handshake) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	over := h.over
	h.over = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.mu.Unlock()
	if over {
		return
	}
	defer h.place.leave()
	if h.exchange != nil {
		_ = h.exchange.Close()
	}
}

// reply is what the client gets: the Type 2, or the token where there is no
// exchange yet.
func (h *handshake) reply(token []byte) (*owed, error) {
	if h.exchange == nil {
		return &owed{token, "ntlm_selected"}, nil
	}
	challenge := h.exchange.Challenge()
	if h.acceptor == nil {
		// The verifier's bytes belong to the exchange, which ends when it likes.
		return &owed{bytes.Clone(challenge), "type_2"}, nil
	}
	token, err := h.acceptor.Continue(challenge)
	if err != nil {
		return nil, identity.Fail(identity.KindProtocol, err)
	}
	return &owed{bytes.Clone(token), "type_2"}, nil
}
