package caddyldap

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Pool bounds the service account's connections.
type Pool struct {
	// How many connections at most. Default: 8.
	Size int `json:"size,omitempty"`
	// How long one above the first is kept unused. Default: 2m.
	Idle caddy.Duration `json:"idle,omitempty"`
}

// Defaults of the pool word; how many questions share a connection while there
// is no other; how long after a failure the pool does not grow.
const (
	defaultPoolSize = 8
	defaultPoolIdle = 2 * time.Minute
	sharedBy        = 4
	growPause       = time.Second
)

// maxPoolSize is far above what helps, and below what a controller minds.
const maxPoolSize = 256

func (d *Directory) checkPool() error {
	if p := d.Pool; p != nil && (p.Size < 0 || p.Size > maxPoolSize || p.Idle < 0) {
		return errors.New("pool: size is 1 to 256 connections, idle a duration above zero; leave the line out for 8 and 2m")
	}
	return nil
}

// member is one connection of a pool. Its fields are the pool's.
type member struct {
	conn  *conn
	root  rootDSE
	users int       // who hold it
	idle  time.Time // since when nobody does
	gone  bool      // left the pool: whoever holds it last closes it
}

// load is how many questions are under way, those included whose asker has
// left.
func (m *member) load() int { return max(m.users, int(m.conn.asking.Load())) }

// pool shares out bound connections. It holds none that is known to be of no
// more use.
type pool struct {
	size    int
	share   int // how many questions go over one connection
	idle    time.Duration
	now     func() time.Time
	spawn   func(func(context.Context))
	connect func(ctx context.Context, connections func(*server) int) (*conn, rootDSE, error)

	mu      sync.Mutex
	members []*member // in order of preference of their servers, as they came
	growing bool
	tries   int       // attempts that have ended
	err     error     // of the last attempt
	until   time.Time // no growth before
	waiting []chan struct{}
	reaper  *time.Timer
	closed  bool
}

func (d *Directory) newPool() *pool {
	size, idle := d.poolBounds()
	return &pool{size: size, share: sharedBy, idle: idle, now: d.now, spawn: d.spawn}
}

// poolBounds are the settings of the word pool.
func (d *Directory) poolBounds() (size int, idle time.Duration) {
	size, idle = defaultPoolSize, defaultPoolIdle
	if d.Pool != nil && d.Pool.Size > 0 {
		size = d.Pool.Size
	}
	if d.Pool != nil && d.Pool.Idle > 0 {
		idle = time.Duration(d.Pool.Idle)
	}
	return size, idle
}

var errClosed = errors.New("the directory is closed")

// acquire gives a connection, which release takes back. It waits while all are
// taken, and fails where there is none and none can be had.
func (p *pool) acquire(ctx context.Context) (*member, error) {
	began := -1
	for {
		p.mu.Lock()
		if began < 0 {
			began = p.tries
		}
		if p.closed {
			p.mu.Unlock()
			return nil, identity.Fail(identity.KindUnavailable, errClosed)
		}
		m := p.best()
		if len(p.members) == 0 && p.tries > began && p.err != nil {
			defer p.mu.Unlock()
			return nil, p.err
		}
		p.growFor(m)
		if m != nil {
			m.users++
			p.mu.Unlock()
			return m, nil
		}
		turn := make(chan struct{})
		p.waiting = append(p.waiting, turn)
		p.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			p.leave(turn)
			return nil, identity.Fail(identity.KindTimeout, context.Cause(ctx))
		}
	}
}

// best is the least loaded connection that takes one more question. Lost ones
// are removed on the way.
func (p *pool) best() *member {
	var best *member
	for _, m := range slices.Clone(p.members) {
		switch {
		case m.conn.lost():
			p.remove(m)
		case m.load() < p.share && (best == nil || m.load() < best.load()):
			best = m
		}
	}
	return best
}

// growFor begins to bind one more connection where the best one is taken.
func (p *pool) growFor(best *member) {
	taken := best == nil || best.load() > 0
	paused := len(p.members) > 0 && p.now().Before(p.until)
	if !taken || p.growing || paused || len(p.members) >= p.size {
		return
	}
	p.growing = true
	p.spawn(p.grow)
}

// grow makes one attempt, for everybody who waits.
func (p *pool) grow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	c, root, err := p.connect(ctx, p.connections)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growing, p.err = false, err
	p.tries++
	switch {
	case err != nil:
		p.until = p.now().Add(growPause)
	case p.closed, c.server.gone.Load():
		c.close()
	default:
		m := &member{conn: c, root: root, idle: p.now()}
		c.freed = p.freed
		p.members = append(p.members, m)
		p.order()
		p.reapLater()
	}
	for _, turn := range p.waiting {
		close(turn)
	}
	p.waiting = nil
}

// connections counts those to a server.
func (p *pool) connections(sv *server) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range p.members {
		n += b2i(m.conn.server == sv)
	}
	return n
}

// order keeps the preferred servers' connections first.
func (p *pool) order() {
	slices.SortStableFunc(p.members, func(a, b *member) int { return cmp.Compare(a.conn.server.rank.Load(), b.conn.server.rank.Load()) })
}

// reorder is order after the preferences have changed.
func (p *pool) reorder() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order()
}

// release takes a connection back.
func (p *pool) release(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.users--
	if m.conn.lost() {
		p.remove(m)
	}
	if m.users == 0 {
		m.idle = p.now()
		if m.gone {
			p.hangUp(m)
		}
		p.reapLater()
	}
	p.wake()
}

// leave ends somebody's wait; a turn that came meanwhile goes to the next.
func (p *pool) leave(turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	p.wake()
}

// freed gives a turn to somebody who waits, where the end of a question whose
// asker had left made room.
func (p *pool) freed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 && p.best() != nil {
		p.wake()
	}
}

func (p *pool) wake() {
	if len(p.waiting) > 0 {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
	}
}
