package caddyntlm

import (
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// handshake is an exchange that waits for its Type 3, with its deadline and
// its place in the quota. It ends once: finished, closed or timed out. A nil
// handshake is over.
type handshake struct {
	exchange identity.NTLMExchange
	place    *place
	took     time.Duration // the first leg, for the metrics
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
	_ = h.exchange.Close()
}
