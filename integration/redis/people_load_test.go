package redis

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestPeopleThroughTroubles: threats E-07 and F-06. Two Caddys that share a Redis are
// offered two hundred log-ins a second, by form and by JSON, with a code and without, while
// the server is killed and restarted, filled, slowed, frozen and cut off. Nobody is
// somebody else, nobody who is right is refused, no code is good twice, no session that a
// node has given away is lost, and five seconds after the trouble both nodes open sessions
// and know those of both. How many log-ins the machine makes is logged and not held.
func TestPeopleThroughTroubles(t *testing.T) {
	server := start(t, Options{Keep: true, Args: []string{"--maxmemory-policy", "noeviction"}})
	p := newPeople(t, startNodes(t, server, startDirectory(t)))
	over := make(chan struct{})
	p.began = time.Now()
	var all sync.WaitGroup
	all.Go(func() { p.come(over) })
	var took time.Duration
	end := sync.OnceFunc(func() { took = time.Since(p.began); close(over); all.Wait() })
	defer end()
	time.Sleep(1500 * time.Millisecond) // the first ones make connections, which takes more than a log-in
	server.Suffer(t, recovery, func(since time.Time) bool {
		for i := range p.nodes {
			if p.opened[i].Load() < since.UnixNano() || p.used[i].Load() < since.UnixNano() {
				return false
			}
		}
		return true
	})
	end()
	p.judge(took)
}

// judge says how much it was, and holds every session that was confirmed to open at both
// nodes now.
func (p *people) judge(took time.Duration) {
	answered := make([]int64, min(int(took.Seconds()), len(p.answered)-1))
	for i := range answered {
		answered[i] = p.answered[i].Load()
	}
	rate := func(n int64) float64 { return float64(n) / took.Seconds() }
	offered, begun := p.offered.Load(), p.offered.Load()-p.skipped.Load()
	p.t.Logf("%v: %.0f log-ins a second offered, %.0f begun; in each second answered: %v", took.Round(time.Second), rate(offered), rate(begun), answered)
	p.t.Logf("%d sessions opened, %d of %d codes among them; %d tries of codes refused; %d uses of sessions; %d times 503",
		len(p.kept), p.accepted.Load(), p.tried, p.spent.Load(), p.uses.Load(), p.unavailable.Load())
	if len(p.kept) < 50 || p.accepted.Load() < 10 || p.uses.Load() < 100 || p.unavailable.Load() == 0 {
		p.t.Error("too little has worked, or nothing has failed")
	}
	began := time.Now()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := i; j < len(p.kept); j += 8 {
				for node := range p.nodes {
					if got := p.use(node, p.kept[j]); got != http.StatusOK {
						p.wrong("a confirmed session of %s at node %d in the end: got %d", p.kept[j].name, node, got)
					}
				}
			}
		})
	}
	all.Wait()
	if n := p.wrongs.Load(); n > 0 {
		p.t.Errorf("%d things were wrong", n)
	}
	p.t.Logf("all sessions looked at in %v", time.Since(began).Round(time.Millisecond))
}
