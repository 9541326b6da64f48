package soak

import (
	"context"
	"flag"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

var soakTime = flag.Duration("soak", 3*time.Minute, "how long the crowd stays")

// The crowd: connections of each sort.
const (
	crowdUsers = 200
	byNTLM     = 850 // with some Basic in between
	byHTTP2    = 150
)

// TestSoak: 200 users on 1,000 connections come and go, change places on a
// connection, mistype and give up, while the configuration is reloaded and one
// controller after the other dies and comes back. Whoever gets an answer gets
// their own.
func TestSoak(t *testing.T) {
	length := *soakTime
	if testing.Short() {
		length = 10 * time.Second
	}
	config := people(crowdUsers)
	pair := [2]*demodir.Server{startDirectory(t, config), startDirectory(t, config)}
	defer func() { // those that are up in the end
		for _, d := range pair {
			_ = d.Close()
		}
	}()
	s := startSite(t, pair[0], pair[1])
	before := settle(t, pair[0], pair[1])
	c := &crowd{tally: new(tally), site: s, users: users(config), pause: min(4*time.Second, length/8), ramp: min(30*time.Second, length/4)}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var all sync.WaitGroup
	for range byNTLM {
		all.Go(func() { c.browse(ctx) })
	}
	for range byHTTP2 {
		all.Go(func() { c.stream(ctx) })
	}
	trouble(ctx, t, s, &pair, length, c.tally)
	all.Wait()
	t.Logf("%v: %v", length, c)
	if c.wrong.Load() > 0 || c.unauthenticated.Load() > 0 {
		t.Errorf("got %d wrong and %d unauthenticated answers, want 0 and 0; one was %s",
			c.wrong.Load(), c.unauthenticated.Load(), *c.example.Load())
	}
	if c.odd.Load() > 0 {
		t.Errorf("got %d answers of no expected status; one was %s", c.odd.Load(), *c.example.Load())
	}
	if right, streams := c.right.Load(), c.streams.Load(); right < byNTLM || streams < byHTTP2 {
		t.Errorf("got %d right answers, %d of all over HTTP/2, too few to prove anything", right, streams)
	}
	returnsTo(t, before, pair[0], pair[1])
}

// trouble kills and restarts one controller and then the other, and reloads,
// until the crowd goes. A round takes a minute.
func trouble(ctx context.Context, t *testing.T, s *site, pair *[2]*demodir.Server, length time.Duration, counted *tally) {
	t.Helper()
	part := min(time.Minute, length) / 4
	for round := 0; ; round++ {
		d := &pair[round%2]
		address, config := strings.TrimPrefix((*d).LDAPS(), "ldaps://"), people(crowdUsers)
		config.Addr = address
		for _, act := range []func(){
			func() { _ = (*d).Close() },
			func() { *d = startDirectory(t, config) },
			func() { s.load(t) },
			func() { t.Logf("%d goroutines, %v", runtime.NumGoroutine(), counted) },
		} {
			select {
			case <-time.After(part):
				act()
			case <-ctx.Done():
				return
			}
		}
	}
}
