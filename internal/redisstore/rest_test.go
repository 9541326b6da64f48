package redisstore

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRestModel: while a server answers everybody may ask; after a failure nobody until
// the rest is over, and then one at a time until one has an answer.
func TestRestModel(t *testing.T) {
	cause := errors.New("down")
	rapid.Check(t, func(t *rapid.T) {
		r, now := new(rest), time.Unix(1000, 0)
		down, until, looking := false, now, false
		inside := 0 // of those who were let in and have not said yet
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 4).Draw(t, "step"); {
			case step == 0:
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Millisecond, away / 2, away}).Draw(t, "while"))
			case step == 1:
				err := r.enter(now)
				want := down && (looking || now.Before(until))
				if (err != nil) != want {
					t.Fatalf("entering gave %v, want refused: %v", err, want)
				}
				if err == nil {
					inside++
					looking = down
				}
			case inside == 0:
			case step == 2:
				inside--
				r.answered()
				down, looking = false, false
			case step == 3:
				inside--
				r.failed(now, cause)
				down, until, looking = true, now.Add(away), false
			default:
				inside--
				r.left()
				looking = false
			}
		}
		// Whatever has happened, once all have said, it ends.
		for ; inside > 0; inside-- {
			r.left()
		}
		if err := r.enter(now.Add(away)); err != nil {
			t.Fatalf("still refused: %v", err)
		}
	})
}
