package caddyldap

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

// hold takes so many places of the pool, and gives them back when told.
func hold(t *testing.T, d *Directory, places int) (giveBack func()) {
	t.Helper()
	var held sync.WaitGroup
	end := make(chan struct{})
	holding := make(chan error, places)
	for range places {
		held.Go(func() {
			err := d.service.do(context.Background(), func(*conn, rootDSE) error {
				holding <- nil
				<-end
				return nil
			})
			if err != nil {
				holding <- err
			}
		})
	}
	giveBack = sync.OnceFunc(func() { close(end); held.Wait() })
	t.Cleanup(giveBack)
	for range places {
		if err := <-holding; err != nil {
			t.Fatal(err)
		}
	}
	return giveBack
}

func (p *pool) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.members)
}

// poolOf is a directory whose service account has a pool of its own size.
func poolOf(t *testing.T, size int, idle time.Duration, servers ...*demodir.Server) *Directory {
	t.Helper()
	config := demoDirectory(servers[0])
	for _, s := range servers[1:] {
		config.Server = append(config.Server, Server{URL: s.LDAPS()})
	}
	config.Pool = &Pool{Size: size, Idle: caddy.Duration(idle)}
	d, _ := open(t, config, "EXAMPLE")
	return d
}

// TestPoolIsWarm: features B14. One connection is bound before anybody asks.
func TestPoolIsWarm(t *testing.T) {
	s := startDemo(t, nil)
	d := poolOf(t, 4, time.Minute, s)
	d.start()
	await(t, "one connection", func() bool { return d.service.pool.total() == 1 })
}

// TestPoolGrowsAndShrinks: more connections when all are taken, up to the size,
// on both controllers in turn; idle ones above one go.
func TestPoolGrowsAndShrinks(t *testing.T) {
	first, second := startDemo(t, nil), startDemo(t, nil)
	d := poolOf(t, 4, 50*time.Millisecond, first, second)
	p := d.service.pool
	giveBack := hold(t, d, 4*sharedBy)
	await(t, "four connections", func() bool { return p.total() == 4 })
	all, used := p.counts()
	for i, sv := range d.servers.list {
		if all[sv] != 2 || used[sv] == 0 {
			t.Errorf("server %d has %d connections, %d used, want 2 and some", i+1, all[sv], used[sv])
		}
	}
	giveBack()
	await(t, "one connection", func() bool { return p.total() == 1 })
	if all, _ := p.counts(); all[d.servers.list[0]] != 1 {
		t.Error("what is kept is not the preferred server's")
	}
	await(t, "the others closed", func() bool { return first.Connections()+second.Connections() == 1 })
	if err := d.service.do(t.Context(), func(*conn, rootDSE) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestPoolPrefersTheFirstServer: who asks one thing after the other stays with it.
func TestPoolPrefersTheFirstServer(t *testing.T) {
	first, second := startDemo(t, nil), startDemo(t, nil)
	d := poolOf(t, 4, time.Minute, first, second)
	hold(t, d, 2*sharedBy)()
	for range 20 {
		if err := d.service.do(t.Context(), func(c *conn, _ rootDSE) error {
			if c.server != d.servers.list[0] {
				return errors.New("asked " + c.server.url.Addr())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPoolIsFull: whoever finds no place waits for one, and not longer than his
// patience; those who left take no place.
func TestPoolIsFull(t *testing.T) {
	d := poolOf(t, 2, time.Minute, startDemo(t, nil))
	giveBack := hold(t, d, 2*sharedBy)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := d.service.do(ctx, func(*conn, rootDSE) error { return nil })
	if identity.KindOf(err) != identity.KindTimeout {
		t.Errorf("got %v, want %v", err, identity.KindTimeout)
	}
	if n := d.service.pool.total(); n != 2 {
		t.Errorf("got %d connections, want 2", n)
	}
	served := make(chan error, 20)
	for range cap(served) {
		go func() { served <- d.service.do(t.Context(), func(*conn, rootDSE) error { return nil }) }()
	}
	await(t, "all wait", func() bool {
		d.service.pool.mu.Lock()
		defer d.service.pool.mu.Unlock()
		return len(d.service.pool.waiting) == cap(served)
	})
	giveBack()
	for range cap(served) {
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// TestPoolConnectionIsCut: a connection that the server ends is nobody's trouble.
func TestPoolConnectionIsCut(t *testing.T) {
	s := startDemo(t, nil)
	d := poolOf(t, 3, time.Minute, s)
	id, err := logIn(t, d, "alice", "Secr3t-alice")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		s.Disconnect()
		if _, err := d.Refresh(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWrongSecretCountsOnce: however many ask at once.
func TestWrongSecretCountsOnce(t *testing.T) {
	s := startDemo(t, func(cfg *demodir.Config) { cfg.LockoutThreshold = 2 })
	config := demoDirectory(s)
	config.ServiceAccount.Secret = "wrong-Secr3t"
	d, _ := open(t, config, "EXAMPLE")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			err := d.service.do(t.Context(), func(*conn, rootDSE) error { return nil })
			if identity.KindOf(err) != identity.KindServiceAccount {
				t.Errorf("got %v, want %v", err, identity.KindServiceAccount)
			}
		})
	}
	all.Wait()
	config.ServiceAccount.Secret = "Secr3t-svc-web"
	if err := d.service.do(t.Context(), func(*conn, rootDSE) error { return nil }); err != nil {
		t.Errorf("the account is locked: %v", err)
	}
}
