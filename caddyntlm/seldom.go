package caddyntlm

import (
	"sync"
	"time"
)

// seldom lets something happen once a minute for each of many, and counts the other
// times. Whoever finds no room shares one turn with the others that find none, so a
// crowd costs neither memory nor log. The zero value is ready.
type seldom struct {
	mu    sync.Mutex
	each  map[any]*turn
	swept time.Time
	rest  turn
}

type turn struct {
	next    time.Time
	skipped int64
}

const (
	maxTurns   = 1024
	sweepPause = time.Second // between searches for those whose minute is over
)

// due reports whether it is the turn of who, a comparable value, and how often it was
// not since the last.
func (s *seldom) due(who any, now time.Time) (skipped int64, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.each[who]
	if t == nil {
		t = s.room(who, now)
	}
	if now.Before(t.next) {
		t.skipped++
		return 0, false
	}
	skipped, t.skipped, t.next = t.skipped, 0, now.Add(time.Minute)
	return skipped, true
}

// room finds a turn for somebody new. The caller holds the lock.
func (s *seldom) room(who any, now time.Time) *turn {
	if len(s.each) >= maxTurns && now.Sub(s.swept) >= sweepPause {
		s.swept = now
		for other, t := range s.each {
			if !now.Before(t.next) {
				s.rest.skipped += t.skipped
				delete(s.each, other)
			}
		}
	}
	if len(s.each) >= maxTurns {
		return &s.rest
	}
	if s.each == nil {
		s.each = make(map[any]*turn)
	}
	t := new(turn)
	s.each[who] = t
	return t
}
