package caddyldap

import (
	"context"
	"sync/atomic"
	"testing"
)

// TestRosterEnds: once finish has returned no probe begins, whoever suspects a controller
// at that moment.
func TestRosterEnds(t *testing.T) {
	d, _ := memberServer(t, new(bench))
	for range 2000 {
		r := &roster{word: "a test"}
		r.begin()
		var ended atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r.life.Err() == nil {
				r.suspect(&controller{addr: "dc1:445", greet: func(context.Context) error {
					if ended.Load() {
						t.Error("a probe begins after the end")
					}
					return nil
				}}, d)
			}
		}()
		r.finish()
		ended.Store(true)
		<-done
	}
}
