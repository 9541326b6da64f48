package caddyntlm

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

var errElsewhere = errors.New("another node has accepted this request before")

// spendElsewhere has no other node accept a ticket's request that this one has, RFC 4120
// 3.2.3. Each node's verifier knows its own. While the store is down that is all there
// is: somebody would have to see inside TLS to repeat a request, and nobody could log
// in otherwise.
func (v *visit) spendElsewhere(ctx context.Context, established identity.TicketContext) error {
	single, ok := established.(identity.SingleContext)
	if s := v.door.store; s == nil || !s.Shared() || !ok {
		return nil
	}
	name, until := single.Single()
	first, err := store.Once(ctx, v.door.store, store.Key{Kind: store.KindTicket, Name: name}, until.Sub(v.door.now()))
	switch {
	case err != nil:
		v.door.noticeUnspent(v, err)
	case !first:
		return &identity.Error{Kind: identity.KindReplay, Err: errElsewhere, Hint: "somebody sends again what a client has sent before, or a proxy repeats requests"}
	}
	return nil
}

// noticeUnspent says once a minute that nodes do not know of each other's tickets.
func (h *Handler) noticeUnspent(v *visit, err error) {
	if skipped, due := h.notices.unspent.due(v.start); due {
		h.log.Warn("the store does not answer: a request with a ticket could be repeated at another node",
			zap.Error(err), zap.Int64("skipped", skipped), zap.String("hint", "look at the store that the global option windows_auth names"))
	}
}
