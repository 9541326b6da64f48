package caddyldap

import (
	"context"
	"slices"
	"time"
)

// How connections leave the pool.

// remove takes a connection out of the pool. It is closed when nobody holds it
// any more. The caller holds the lock.
func (p *pool) remove(m *member) {
	i := slices.Index(p.members, m)
	if i < 0 {
		return
	}
	p.members = slices.Delete(p.members, i, i+1)
	m.gone = true
	if m.users == 0 {
		p.hangUp(m)
	}
}

// hangUp closes in the background: a polite end takes its time.
func (p *pool) hangUp(m *member) {
	p.spawn(func(context.Context) { m.conn.close() })
}

// drop removes all connections to a server that let somebody wait in vain, or is
// gone.
func (p *pool) drop(sv *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range slices.Clone(p.members) {
		if m.conn.server == sv {
			p.remove(m)
		}
	}
}

// reapLater has idle connections above one looked at when the first of them is
// due.
func (p *pool) reapLater() {
	if p.closed || p.reaper != nil || len(p.members) < 2 {
		return
	}
	p.reaper = time.AfterFunc(p.idle, p.reap)
}

// reap closes what has been idle for long, the least preferred first, and keeps
// one.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaper = nil
	for _, m := range slices.Backward(slices.Clone(p.members)) {
		if len(p.members) > 1 && m.load() == 0 && p.now().Sub(m.idle) >= p.idle {
			p.remove(m)
		}
	}
	p.reapLater()
}

// counts are the connections to each server, and how many of them are in use.
func (p *pool) counts() (all, used map[*server]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, used = make(map[*server]int), make(map[*server]int)
	for _, m := range p.members {
		all[m.conn.server]++
		used[m.conn.server] += b2i(m.load() > 0)
	}
	return all, used
}

// close ends all connections, also those in use.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	members := p.members
	p.members = nil
	if p.reaper != nil {
		p.reaper.Stop()
	}
	for _, turn := range p.waiting {
		close(turn)
	}
	p.waiting = nil
	p.mu.Unlock()
	for _, m := range members {
		m.conn.close()
	}
}
