package shelf

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// thing says how often it was closed.
type thing struct {
	edition int
	closed  atomic.Int32
}

var errClosing = errors.New("closing")

func (t *thing) Close() error {
	t.closed.Add(1)
	return errClosing
}

// hold takes what is of an edition, and counts what it has to make.
func hold(t *testing.T, s *Shelf[*thing], configuration string, edition int, made *int) (*thing, func() error) {
	t.Helper()
	got, release, err := s.Hold([]byte(configuration), func(t *thing) bool { return t.edition == edition }, func() (*thing, error) {
		*made++
		return &thing{edition: edition}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, release
}

// What is unchanged is taken over, another configuration or edition begins anew, and the
// last who gives a thing back closes it.
func TestHold(t *testing.T) {
	s, made := New[*thing](), 0
	first, releaseFirst := hold(t, s, "a", 1, &made)
	second, releaseSecond := hold(t, s, "a", 1, &made)
	other, releaseOther := hold(t, s, "b", 1, &made)
	changed, releaseChanged := hold(t, s, "a", 2, &made)
	if first != second || first == other || first == changed || made != 3 {
		t.Fatalf("got %p %p %p %p, %d made, want three things", first, second, other, changed, made)
	}
	if got := s.All(); len(got) != 3 || got[0] != first || got[1] != other || got[2] != changed {
		t.Errorf("got %v", got)
	}
	for range 2 { // twice by the same holder is once
		if err := releaseFirst(); err != nil || first.closed.Load() != 0 {
			t.Errorf("got %v, closed %d times, and somebody holds it", err, first.closed.Load())
		}
	}
	for range 2 {
		if err := releaseSecond(); !errors.Is(err, errClosing) || first.closed.Load() != 1 {
			t.Errorf("got %v, closed %d times, want once", err, first.closed.Load())
		}
	}
	again, releaseAgain := hold(t, s, "a", 1, &made)
	if again == first {
		t.Error("got what is closed")
	}
	for _, release := range []func() error{releaseOther, releaseChanged, releaseAgain} {
		if err := release(); !errors.Is(err, errClosing) {
			t.Errorf("got %v", err)
		}
	}
	if got := s.All(); len(got) != 0 {
		t.Errorf("got %v left", got)
	}
}

// What cannot be made is nobody's.
func TestHoldFails(t *testing.T) {
	s := New[*thing]()
	_, release, err := s.Hold(nil, func(*thing) bool { return true }, func() (*thing, error) { return nil, errClosing })
	if !errors.Is(err, errClosing) || release != nil || len(s.All()) != 0 {
		t.Errorf("got %v, a release %v and %d things", err, release != nil, len(s.All()))
	}
}

// A configuration holds secrets, and the shelf none of them.
func TestHoldKeepsNoSecret(t *testing.T) {
	s, made := New[*thing](), 0
	secret := "Secr3t-never-shown"
	hold(t, s, secret, 1, &made)
	other := New[*thing]()
	hold(t, other, secret, 1, &made)
	if shown := fmt.Sprintf("%+v %v", s, s.kept[0]); bytes.Contains([]byte(shown), []byte(secret)) {
		t.Errorf("got %s", shown)
	}
	if s.kept[0].print == other.kept[0].print {
		t.Error("got one hash on two shelves, which can be looked up")
	}
}

// Many hold and give back at a time: never two of one thing, and all are closed.
func TestHoldAtATime(t *testing.T) {
	s := New[*thing]()
	var open atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				got, release, err := s.Hold([]byte("a"), func(*thing) bool { return true }, func() (*thing, error) {
					open.Add(1)
					return new(thing), nil
				})
				if err != nil || got.closed.Load() != 0 {
					t.Errorf("got %v, closed %d times", err, got.closed.Load())
				}
				if err := release(); err != nil {
					open.Add(-1)
				}
			}
		})
	}
	all.Wait()
	if open.Load() != 0 || len(s.All()) != 0 {
		t.Errorf("got %d open and %d kept, want none", open.Load(), len(s.All()))
	}
}
