package caddyntlm

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// B-04: however many begin at once, no more of them hold a connection to a
// controller than max_pending says, half-open exchanges and questions on their
// way taken together. The others are told so at once: there is no queue that
// could grow.
func TestControllerConnectionsAreBounded(t *testing.T) {
	const clients, most = 60, 7
	for name, request := range map[string]string{"NTLM": type1(), "Basic": basic("bob", "secret-b")} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, func(d *door) { d.MaxPending = &MaxPending{Total: most, PerAddress: most} })
			d.asking = newQuota(most, most)
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
					all[i].send("GET", "/", "", request)
					answers <- all[i].receive("GET").StatusCode
				})
			}
			for range clients - most { // while those that were let through still wait
				if got := <-answers; got != 503 {
					t.Errorf("got %d, want 503", got)
				}
			}
			d.wantReason(t, identity.KindTooManyPending)
			if name == "NTLM" {
				if got := d.pending.taken.Load(); got != most {
					t.Errorf("got %d counted by the gauge, want %d", got, most)
				}
			}
			close(release)
			group.Wait()
			if peak.Load() != most || begun.Load() != most {
				t.Errorf("got %d questions, %d at once, want %d", begun.Load(), peak.Load(), most)
			}
			if got := d.waiting(); name == "NTLM" && got != most {
				t.Errorf("got %d exchanges, want %d", got, most)
			}
		})
	}
}
