package throttle

import (
	"slices"
	"time"
)

// maxCounted is how many wrong passwords a budget or an account remembers: no limit of
// them is above it.
const maxCounted = MostAttempts

// maxDoubled ends the doubling of a wait: by then every wait is the longest.
const maxDoubled = 60

// times are when passwords were wrong, the oldest first.
type times []time.Time

// count is how many are within a window.
func (t times) count(now time.Time, window time.Duration) int {
	i := 0
	for i < len(t) && now.Sub(t[i]) >= window {
		i++
	}
	return len(t) - i
}

// since are those that were not wrong before a moment.
func (t times) since(began time.Time) times {
	i := 0
	for i < len(t) && t[i].Before(began) {
		i++
	}
	return t[i:]
}

// full is how long a limit lets nobody in, because so many within the window count; 0
// where it does.
func (t times) full(limit int, now time.Time, window time.Duration) time.Duration {
	if limit <= 0 || t.count(now, window) < limit {
		return 0
	}
	return max(window-now.Sub(t[len(t)-limit]), time.Second)
}

// with adds one and forgets what is older than keep, or too much.
func (t times) with(now time.Time, keep time.Duration, most int) times {
	at := len(t)
	for at > 0 && t[at-1].After(now) { // told late, or by another clock
		at--
	}
	kept := slices.Insert(slices.Clone(t), at, now)
	kept = kept[len(kept)-kept.count(kept[len(kept)-1], keep):]
	return kept[max(len(kept)-most, 0):]
}

// budget counts the wrong passwords of an account from one address, or from all
// strangers.
type budget struct {
	wrong   times
	doubled int       // how often the wait has doubled
	until   time.Time // no attempt before
	last    time.Time // the wait last begun
}

func (b *budget) count(now time.Time) { b.wrong = b.wrong.with(now, LongestWindow, maxCounted) }

// wait begins the wait after a wrong password. The doubling ends with a quiet time.
func (b *budget) wait(now time.Time, l Limits) {
	if now.Sub(b.last) >= l.Window+l.LongestWait {
		b.doubled = 0
	}
	wait := l.FirstWait
	for range b.doubled {
		if wait >= l.LongestWait/2 {
			wait = l.LongestWait
			break
		}
		wait *= 2
	}
	b.doubled, b.last = min(b.doubled+1, maxDoubled), now
	if until := now.Add(min(wait, l.LongestWait)); until.After(b.until) {
		b.until = until
	}
}

func (b *budget) isEmpty() bool { return len(b.wrong) == 0 && b.doubled == 0 && b.until.IsZero() }
