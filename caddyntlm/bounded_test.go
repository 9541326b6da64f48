package caddyntlm

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// B-04: however many begin at once, no more of them hold a connection to a
// controller than max_pending says, half-open exchanges and questions on their
// way taken together. The others are told so at once: there is no queue that
// could grow.
func TestControllerConnectionsAreBounded(t *testing.T) {
	const clients, most = 60, 7
	for name, c := range map[string]struct {
		request           string
		total, perAddress int64
	}{
		"NTLM, in all":      {type1(), most, clients},
		"NTLM, one address": {type1(), clients, most},
		"Basic, in all":     {basic("bob", "secret-b"), most, clients},
		"Basic, an address": {basic("bob", "secret-b"), clients, most},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, nil)
			d.pending, d.asking = newQuota(c.total, c.perAddress), newQuota(c.total, c.perAddress)
			counted := d.pending
			if strings.HasPrefix(name, "Basic") {
				counted = d.asking
			}
			var begun, peak atomic.Int64
			release := make(chan struct{})
			ask := func(context.Context) error {
				now := begun.Add(1)
				for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
				}
				<-release
				return nil
			}
			d.dir.start, d.dir.verify = ask, ask
			all := make([]*client, clients)
			answers := make(chan int, clients)
			var group sync.WaitGroup
			for i := range all {
				all[i] = d.dial(t)
				group.Go(func() {
					all[i].send("GET", "/", "", c.request)
					answers <- all[i].receive("GET").StatusCode
				})
			}
			late := time.After(10 * time.Second)
			for refused := 0; refused < clients-most; refused++ { // while those that were let through still wait
				select {
				case got := <-answers:
					if got != 503 {
						t.Errorf("got %d, want 503", got)
					}
				case <-late:
					t.Errorf("got %d refused, want %d: the others wait", refused, clients-most)
					refused = clients
				}
			}
			d.wantReason(t, identity.KindTooManyPending)
			if got := counted.taken.Load(); got != most {
				t.Errorf("got %d counted by the gauge, want %d", got, most)
			}
			close(release)
			group.Wait()
			if peak.Load() != most || begun.Load() != most {
				t.Errorf("got %d questions, %d at once, want %d", begun.Load(), peak.Load(), most)
			}
			if got := d.waiting(); counted == d.pending && got != most {
				t.Errorf("got %d exchanges, want %d", got, most)
			}
		})
	}
}
