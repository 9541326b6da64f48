package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func put(value string, keep time.Duration) Change {
	return func([]byte) ([]byte, time.Duration, error) { return []byte(value), keep, nil }
}

func mustUpdate(t *testing.T, s Store, key Key, change Change) {
	t.Helper()
	if err := s.Update(context.Background(), key, change); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s Store, key Key) string {
	t.Helper()
	value, err := s.Get(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// TestMemoryForgets: a value runs out, is removed, or gives way to newer ones of its
// own kind.
func TestMemoryForgets(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	m := NewMemory(map[Kind]int{KindAccount: 2}, c.now)
	a, b, d := Key{KindAccount, "a"}, Key{KindAccount, "b"}, Key{KindAccount, "d"}
	mustUpdate(t, m, a, put("1", time.Minute))
	c.at = c.at.Add(time.Minute)
	if got := get(t, m, a); got != "" {
		t.Errorf("got %q after its time", got)
	}
	mustUpdate(t, m, a, put("1", time.Minute))
	mustUpdate(t, m, a, func(old []byte) ([]byte, time.Duration, error) { return nil, 0, nil })
	if got := get(t, m, a); got != "" {
		t.Errorf("got %q after it was removed", got)
	}
	mustUpdate(t, m, a, put("1", time.Minute))
	mustUpdate(t, m, b, put("2", time.Minute))
	get(t, m, a)
	mustUpdate(t, m, Key{KindAddress, "x"}, put("9", time.Minute))
	mustUpdate(t, m, d, put("3", time.Minute))
	for key, want := range map[Key]string{a: "1", b: "", d: "3", {KindAddress, "x"}: "9"} {
		if got := get(t, m, key); got != want {
			t.Errorf("%v: got %q, want %q", key, got, want)
		}
	}
}

// TestMemoryRefuses: an error of a change changes nothing, and bounds hold.
func TestMemoryRefuses(t *testing.T) {
	m := NewMemory(nil, time.Now)
	key, wrong := Key{KindSession, "s"}, errors.New("no")
	mustUpdate(t, m, key, put("1", time.Minute))
	if err := m.Update(t.Context(), key, func([]byte) ([]byte, time.Duration, error) { return []byte("2"), time.Minute, wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v, want the error of the change", err)
	}
	if err := m.Update(t.Context(), key, put(strings.Repeat("x", MaxValue+1), time.Minute)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v for a long value", err)
	}
	if err := m.Update(t.Context(), Key{KindSession, strings.Repeat("x", MaxName+1)}, put("1", time.Minute)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v for a long name", err)
	}
	if _, err := m.Get(t.Context(), Key{"other", "x"}); err == nil {
		t.Error("a kind that is none was looked up")
	}
	if got := get(t, m, key); got != "1" {
		t.Errorf("got %q, want it unchanged", got)
	}
}

// TestMemoryIsAtomic: of many at once one is first, and no count is lost.
func TestMemoryIsAtomic(t *testing.T) {
	m := NewMemory(nil, time.Now)
	var firsts atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if first, err := Once(t.Context(), m, Key{KindCode, "alice/1"}, time.Minute); err != nil {
				t.Error(err)
			} else if first {
				firsts.Add(1)
			}
			mustUpdate(t, m, Key{KindAddress, "n"}, func(old []byte) ([]byte, time.Duration, error) {
				return append(append([]byte(nil), old...), 'x'), time.Minute, nil
			})
		})
	}
	all.Wait()
	if got := get(t, m, Key{KindAddress, "n"}); firsts.Load() != 1 || len(got) != 50 {
		t.Errorf("got %d firsts and a count of %d", firsts.Load(), len(got))
	}
}

// TestMemoryShowsAll: an administrator sees what is alive, and may stop looking.
func TestMemoryShowsAll(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	m := NewMemory(nil, c.now)
	for i := range 3 {
		mustUpdate(t, m, Key{KindSession, fmt.Sprint(i)}, put("v", time.Duration(i+1)*time.Minute))
	}
	c.at = c.at.Add(time.Minute)
	seen := 0
	if err := m.Each(t.Context(), KindSession, func(string, []byte) bool { seen++; return true }); err != nil || seen != 2 {
		t.Errorf("saw %d, %v", seen, err)
	}
	seen = 0
	if err := m.Each(t.Context(), KindSession, func(string, []byte) bool { seen++; return false }); err != nil || seen != 1 {
		t.Errorf("saw %d, %v", seen, err)
	}
}

// TestMemoryBelongsToItsCallers: what somebody does to a slice changes no value.
func TestMemoryBelongsToItsCallers(t *testing.T) {
	m := NewMemory(nil, time.Now)
	value, key := []byte("abc"), Key{KindSession, "s"}
	mustUpdate(t, m, key, func([]byte) ([]byte, time.Duration, error) { return value, time.Minute, nil })
	value[0] = 'X'
	got, _ := m.Get(t.Context(), key)
	got[1] = 'X'
	if got := get(t, m, key); got != "abc" {
		t.Errorf("got %q", got)
	}
}

// TestMemoryIsBoundedInBytes: long values push each other out before there are many, and
// what is forgotten, removed or replaced weighs nothing.
func TestMemoryIsBoundedInBytes(t *testing.T) {
	m := NewMemory(nil, time.Now)
	s := m.kinds[KindOwner]
	s.most = 10 * (1000 + 1 + overhead)
	for i := range 30 {
		mustUpdate(t, m, Key{KindOwner, string(rune('a' + i))}, put(strings.Repeat("x", 1000), time.Minute))
	}
	if got := s.values.order.Len(); got != 10 || s.bytes > s.most {
		t.Errorf("got %d values of %d bytes, want 10 in %d", got, s.bytes, s.most)
	}
	last := Key{KindOwner, string(rune('a' + 29))}
	for range 3 {
		mustUpdate(t, m, last, put("x", time.Minute))
	}
	mustUpdate(t, m, last, func([]byte) ([]byte, time.Duration, error) { return nil, 0, nil })
	if want := 9 * (1000 + 1 + overhead); s.bytes != want {
		t.Errorf("got %d bytes after a removal, want %d", s.bytes, want)
	}
}
