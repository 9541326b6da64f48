package redis

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// crowd is log-ins on two nodes: each spends a code that is tried on both at once, and
// whoever was first opens a session.
type crowd struct {
	t     *testing.T
	nodes []store.Store

	mu        sync.Mutex
	taken     map[string]int // how many were told that they are the first with a code
	confirmed map[string]bool
	failures  int
	lastWell  atomic.Int64 // unix nanoseconds
}

func code(name string) store.Key    { return store.Key{Kind: store.KindCode, Name: name} }
func session(name string) store.Key { return store.Key{Kind: store.KindSession, Name: name} }

// logIn is one try on one node.
func (c *crowd) logIn(node store.Store, name string) {
	first, err := store.Once(c.t.Context(), node, code(name), time.Hour)
	if err == nil && first {
		c.mu.Lock()
		c.taken[name]++
		c.mu.Unlock()
		err = node.Update(c.t.Context(), session(name), func([]byte) ([]byte, time.Duration, error) { return []byte("of " + name), time.Hour, nil })
		if err == nil {
			c.mu.Lock()
			c.confirmed[name] = true
			c.mu.Unlock()
		}
	}
	switch {
	case err == nil:
		c.lastWell.Store(time.Now().UnixNano())
	case errors.Is(err, store.ErrDown):
		c.mu.Lock()
		c.failures++
		c.mu.Unlock()
	default:
		c.t.Errorf("%s: %v", name, err)
	}
}

// run logs in two hundred a second until the faults are over.
func (c *crowd) run(over <-chan struct{}) (tried int) {
	var all sync.WaitGroup
	defer all.Wait()
	ticker := time.NewTicker(time.Second / 100)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return tried
		case <-ticker.C:
		}
		tried++
		name := fmt.Sprint("alice/", tried)
		for _, node := range c.nodes {
			all.Go(func() { c.logIn(node, name) })
		}
	}
}

// TestFaultsUnderLoad: the server is killed and restarted, frozen, slowed, filled, and
// has all its connections cut, in the middle of two hundred log-ins a second on two
// nodes. No code is good twice, nothing is lost that was confirmed, and five seconds after
// the fault all is well.
func TestFaultsUnderLoad(t *testing.T) {
	server := start(t, Options{Keep: true, Args: []string{"--maxmemory-policy", "noeviction"}})
	c := &crowd{t: t, nodes: []store.Store{open(t, server), open(t, server)}, taken: make(map[string]int), confirmed: make(map[string]bool)}
	over, ended := make(chan struct{}), make(chan int)
	go func() { ended <- c.run(over) }()
	server.Suffer(t, recovery, func(since time.Time) bool { return c.lastWell.Load() > since.UnixNano() })
	close(over)
	c.judge(<-ended)
}

// judge compares what the nodes were told with what is there.
func (c *crowd) judge(tried int) {
	c.t.Logf("%d codes tried twice, %d taken, %d sessions confirmed, %d failures", tried, len(c.taken), len(c.confirmed), c.failures)
	if len(c.confirmed) < tried/4 || c.failures == 0 {
		c.t.Error("too little has worked, or nothing has failed")
	}
	for name, times := range c.taken {
		if times != 1 {
			c.t.Errorf("%s was taken %d times", name, times)
		}
		first, err := store.Once(c.t.Context(), c.nodes[1], code(name), time.Hour)
		check(c.t, err)
		if first {
			c.t.Errorf("%s is good a second time", name)
		}
	}
	for name := range c.confirmed {
		got, err := c.nodes[1].Get(c.t.Context(), session(name))
		if err != nil || string(got) != "of "+name {
			c.t.Errorf("the session of %s is %q, %v", name, got, err)
		}
	}
}
