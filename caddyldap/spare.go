package caddyldap

import (
	"context"
	"slices"
	"sync"
	"time"
)

// spareFresh is how long after its last use a spare connection is taken for
// alive. One that rested longer is asked something first, for no longer than a
// dial may take: a password must not wait for a server that is gone.
const spareFresh = time.Second

// spare keeps connections on which a password was right and nothing is under way
// any more, so that the next password costs no TCP and TLS: that is most of what
// a log-in costs a controller. Nobody is asked anything on them, but who they
// are whose bind has succeeded since (RFC 4513 4: a bind begins anew). One on
// which a bind failed never comes back here: there are servers that leave the
// former identity on it.
type spare struct {
	size  int           // how many at most
	idle  time.Duration // how long one is kept unused
	now   func() time.Time
	alive func(context.Context, *conn) bool

	mu     sync.Mutex
	conns  []*conn // the longest unused first
	reaper *time.Timer
	closed bool
}

func (d *Directory) newSpare() *spare {
	size, idle := d.poolBounds()
	return &spare{size: size, idle: idle, now: d.now, alive: func(ctx context.Context, c *conn) bool {
		ctx, cancel := context.WithTimeout(ctx, d.dialTimeout())
		defer cancel()
		e, err := c.entry(ctx, "", "1.1")
		return err == nil && e != nil
	}}
}

// take is a connection to a server on which a password can be tried, or nil.
func (s *spare) take(ctx context.Context, sv *server) *conn {
	for ctx.Err() == nil {
		c := s.pick(sv)
		if c == nil {
			return nil
		}
		c.reused = true
		if s.now().Sub(c.rested) <= spareFresh || s.alive(ctx, c) {
			return c
		}
		c.close()
		s.drop(sv) // none of them is younger
	}
	return nil
}

// pick is the connection to a server that was used last.
func (s *spare) pick(sv *server) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range slices.Backward(s.conns) {
		if c.server != sv {
			continue
		}
		s.conns = slices.Delete(s.conns, i, i+1)
		if !c.lost() {
			return c
		}
		go c.close()
	}
	return nil
}

// put takes a connection back on which all that was asked has been answered, or
// closes it.
func (s *spare) put(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.size == 0 || c.shared || c.lost() || c.server.gone.Load() {
		go c.close()
		return
	}
	c.rested = s.now()
	s.conns = append(s.conns, c)
	if len(s.conns) > s.size {
		go s.conns[0].close() // a polite end takes its time
		s.conns = slices.Delete(s.conns, 0, 1)
	}
	s.reapLater()
}

// drop closes all connections to a server.
func (s *spare) drop(sv *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = slices.DeleteFunc(s.conns, func(c *conn) bool {
		if c.server != sv {
			return false
		}
		go c.close()
		return true
	})
}

// reapLater has connections looked at when the first of them is due.
func (s *spare) reapLater() {
	if s.closed || s.reaper != nil || len(s.conns) == 0 {
		return
	}
	s.reaper = time.AfterFunc(s.idle, s.reap)
}

func (s *spare) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reaper = nil
	s.conns = slices.DeleteFunc(s.conns, func(c *conn) bool {
		if s.now().Sub(c.rested) < s.idle && !c.lost() {
			return false
		}
		go c.close()
		return true
	})
	s.reapLater()
}

// close ends all of them.
func (s *spare) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.reaper != nil {
		s.reaper.Stop()
	}
	for _, c := range s.conns {
		c.close()
	}
	s.conns = nil
}
