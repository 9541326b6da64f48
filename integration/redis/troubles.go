package redis

import (
	"testing"
	"time"
)

// How long a server is left alone before each trouble, and how long a trouble lasts.
const (
	calm    = 700 * time.Millisecond
	lasting = time.Second
)

// trouble is something that goes wrong with a server for a while: happens returns when it
// is over.
type trouble struct {
	name    string
	happens func() error
}

// troubles are what may happen to the server that nodes share. It has to keep what it
// confirms, or those in which it is killed lose that.
func (s *Server) troubles() []trouble {
	killed := func() error { return during(s.Kill, s.Restart) }
	return []trouble{
		{"killed", killed},
		{"filled", func() error {
			return during(s.saying("CONFIG", "SET", "maxmemory", "1"), s.saying("CONFIG", "SET", "maxmemory", "0"))
		}},
		{"slowed", s.stutter},
		{"frozen", func() error { return during(s.Freeze, s.Thaw) }},
		{"cut", s.hangUp},
		{"killed again", killed},
	}
}

// during is a trouble that has a beginning and an end.
func during(begin, end func() error) error {
	if err := begin(); err != nil {
		return err
	}
	time.Sleep(lasting)
	return end()
}

// saying has the server told something that it must take.
func (s *Server) saying(words ...string) func() error {
	return func() error { _, err := s.Do(words...); return err }
}

// stutter has the server answer for a moment, and be silent for a longer one.
func (s *Server) stutter() error {
	for began := time.Now(); time.Since(began) < lasting; time.Sleep(10 * time.Millisecond) {
		if err := s.Freeze(); err != nil {
			return err
		}
		time.Sleep(120 * time.Millisecond)
		if err := s.Thaw(); err != nil {
			return err
		}
	}
	return nil
}

// hangUp has the server end all connections, again and again.
func (s *Server) hangUp() error {
	for began := time.Now(); time.Since(began) < lasting; time.Sleep(100 * time.Millisecond) {
		if _, err := s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
			return err
		}
	}
	return nil
}

// Suffer has all of it happen, one after the other, in the middle of what a test has under
// way. After each all must work again within a time; works says whether everything that is
// to work has done so since a moment.
func (s *Server) Suffer(t testing.TB, recovery time.Duration, works func(since time.Time) bool) {
	t.Helper()
	for _, trouble := range s.troubles() {
		time.Sleep(calm)
		if err := trouble.happens(); err != nil {
			t.Fatalf("%s: %v", trouble.name, err)
		}
		mended := time.Now()
		for !works(mended) {
			if time.Since(mended) > recovery {
				t.Fatalf("%s: not all works %v after it ended", trouble.name, recovery)
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Logf("%s: all works after %v", trouble.name, time.Since(mended).Round(time.Millisecond))
	}
	time.Sleep(calm)
}
