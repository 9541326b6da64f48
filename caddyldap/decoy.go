package caddyldap

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// decoy binds where a search has found nobody to bind as, so that the answer
// does not come sooner than for a name that somebody has (threats F-09). It
// binds as an entry that cannot be there with a password made up for it:
// nothing of what was typed is sent, no account's wrong passwords are counted,
// and a yes lets nobody in. The result is what the search has found, reason,
// unless the servers fail as they would for anybody.
//
// A server need not hash a password for an entry that it does not have. So the
// answer waits for as long as one of the last binds by accounts that are there took.
func (d *Directory) decoy(ctx context.Context, base string, reason error) error {
	name := "cn=" + rand.Text()
	if base != "" {
		name += "," + base
	}
	c, took, err := d.bind(ctx, name, identity.NewSecret(rand.Text()))
	if err != nil && !identity.KindOf(err).AboutAccount() {
		return err
	}
	pause(ctx, d.pace.draw()-took)
	if err == nil {
		d.logger.Error("a server lets in an account that does not exist", zap.String("server", c.server.url.Addr()),
			zap.String("hint", "whatever the password, that server says yes: nobody's log-in there proves anything; do not use it"))
		c.close()
	}
	return reason
}

// pause waits, and no longer than the context lasts. Timers wake up about a
// millisecond late, so that less than one would show and not hide.
func pause(ctx context.Context, length time.Duration) {
	if length < time.Millisecond {
		return
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// paceKept is how many binds a pace remembers: enough for their median, and so
// few that they are of the last minutes.
const paceKept = 64

// pace remembers how long the servers took lately to judge passwords of accounts
// that are there. Refusals count; successes do, which servers answer a little
// otherwise, while there was no refusal.
type pace struct {
	mu      sync.Mutex
	took    []time.Duration // the oldest is at next once it is full
	next    int
	refused bool // took holds refusals
}

func (p *pace) note(took time.Duration, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.refused && !refused:
		return
	case refused && !p.refused:
		p.took, p.next, p.refused = p.took[:0], 0, true
	}
	if len(p.took) < paceKept {
		p.took = append(p.took, took)
		return
	}
	p.took[p.next] = took
	p.next = (p.next + 1) % paceKept
}

// draw is one of the times that are remembered, zero without any. Answers that
// wait for it spread as those of accounts do; an average would stand out.
func (p *pace) draw() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.took) == 0 {
		return 0
	}
	return p.took[mathrand.IntN(len(p.took))]
}
