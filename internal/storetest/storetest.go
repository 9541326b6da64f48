// Package storetest holds a Store to its contract, so that all of them behave alike. It
// is for tests alone.
package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Subject is a store to be held to the contract.
type Subject struct {
	// Nodes are stores that share their values: one, or as many as there are nodes.
	Nodes []store.Store
	// Pass lets time pass for all of them.
	Pass func(time.Duration)
}

// Run holds stores to the contract; each test gets a new and empty one.
func Run(t *testing.T, open func(*testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"values":    testValues,
		"expiry":    testExpiry,
		"errors":    testErrors,
		"bounds":    testBounds,
		"counting":  testCounting,
		"once":      testOnce,
		"each":      testEach,
		"ownership": testOwnership,
		"kinds":     testKinds,
		"names":     testNames,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// any node will do, and another one sees the same.
func (s Subject) first() store.Store { return s.Nodes[0] }
func (s Subject) last() store.Store  { return s.Nodes[len(s.Nodes)-1] }

func put(value string, keep time.Duration) store.Change {
	return func([]byte) ([]byte, time.Duration, error) { return []byte(value), keep, nil }
}

func remove([]byte) ([]byte, time.Duration, error) { return nil, 0, nil }

func update(t *testing.T, s store.Store, key store.Key, change store.Change) {
	t.Helper()
	if err := s.Update(t.Context(), key, change); err != nil {
		t.Fatalf("updating %v: %v", key, err)
	}
}

// expect compares a value; want nil is none.
func expect(t *testing.T, s store.Store, key store.Key, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("getting %v: %v", key, err)
	}
	if string(got) != string(want) || (got == nil) != (want == nil) {
		t.Errorf("%v: got %q (nil: %v), want %q (nil: %v)", key, got, got == nil, want, want == nil)
	}
}

func testValues(t *testing.T, s Subject) {
	key := store.Key{Kind: store.KindSession, Name: "a"}
	expect(t, s.first(), key, nil)
	update(t, s.first(), key, put("1", time.Minute))
	expect(t, s.last(), key, []byte("1"))
	update(t, s.last(), key, func(old []byte) ([]byte, time.Duration, error) {
		return append([]byte("2 after "), old...), time.Minute, nil
	})
	expect(t, s.first(), key, []byte("2 after 1"))
	update(t, s.first(), key, put("", time.Minute))
	expect(t, s.last(), key, []byte{}) // an empty value is a value
	update(t, s.first(), key, func(old []byte) ([]byte, time.Duration, error) {
		if old == nil {
			t.Error("an empty value was shown as none")
		}
		return []byte{0, 255, '\r', '\n', 0}, time.Minute, nil
	})
	expect(t, s.last(), key, []byte{0, 255, '\r', '\n', 0})
	update(t, s.first(), key, remove)
	expect(t, s.last(), key, nil)
	update(t, s.first(), key, remove) // of nothing
	update(t, s.first(), key, put("kept for no time", 0))
	expect(t, s.last(), key, nil)
}

func testExpiry(t *testing.T, s Subject) {
	short, long := store.Key{Kind: store.KindCode, Name: "short"}, store.Key{Kind: store.KindCode, Name: "long"}
	shortened, lengthened := store.Key{Kind: store.KindCode, Name: "shortened"}, store.Key{Kind: store.KindCode, Name: "lengthened"}
	update(t, s.first(), short, put("1", 200*time.Millisecond))
	update(t, s.first(), long, put("1", time.Hour))
	update(t, s.first(), shortened, put("1", time.Hour))
	update(t, s.first(), shortened, put("1", 200*time.Millisecond))
	update(t, s.first(), lengthened, put("1", 200*time.Millisecond))
	update(t, s.first(), lengthened, put("1", time.Hour))
	update(t, s.first(), store.Key{Kind: store.KindCode, Name: "for a nanosecond"}, put("1", 1))
	expect(t, s.last(), short, []byte("1"))
	s.Pass(300 * time.Millisecond)
	expect(t, s.last(), short, nil)
	expect(t, s.last(), shortened, nil)
	expect(t, s.last(), long, []byte("1"))
	expect(t, s.last(), lengthened, []byte("1"))
	first, err := store.Once(t.Context(), s.last(), short, time.Minute)
	if err != nil || !first {
		t.Errorf("got first %v, %v of what has run out", first, err)
	}
}

func testErrors(t *testing.T, s Subject) {
	key, wrong := store.Key{Kind: store.KindSession, Name: "a"}, errors.New("no")
	update(t, s.first(), key, put("1", time.Minute))
	err := s.first().Update(t.Context(), key, func([]byte) ([]byte, time.Duration, error) { return []byte("2"), time.Minute, wrong })
	if !errors.Is(err, wrong) || errors.Is(err, store.ErrDown) {
		t.Errorf("got %v, want the error of the change", err)
	}
	expect(t, s.last(), key, []byte("1"))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.first().Update(gone, key, put("3", time.Minute)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the context's end, want nil or the context's", err)
	}
	if _, err := s.first().Get(gone, key); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the context's end, want nil or the context's", err)
	}
}

func testBounds(t *testing.T, s Subject) {
	key := store.Key{Kind: store.KindSession, Name: strings.Repeat("x", store.MaxName)}
	most := strings.Repeat("v", store.MaxValue)
	update(t, s.first(), key, put(most, time.Minute))
	expect(t, s.last(), key, []byte(most))
	if err := s.first().Update(t.Context(), key, put(most+"v", time.Minute)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("got %v for a long value, want %v", err, store.ErrTooLarge)
	}
	expect(t, s.last(), key, []byte(most))
	key.Name += "x"
	if err := s.first().Update(t.Context(), key, put("1", time.Minute)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("got %v for a long name, want %v", err, store.ErrTooLarge)
	}
	if _, err := s.first().Get(t.Context(), key); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("got %v for a long name, want %v", err, store.ErrTooLarge)
	}
}

// testOwnership: what somebody does to a slice changes no value.
func testOwnership(t *testing.T, s Subject) {
	value, key := []byte("abc"), store.Key{Kind: store.KindSession, Name: "s"}
	update(t, s.first(), key, func([]byte) ([]byte, time.Duration, error) { return value, time.Minute, nil })
	value[0] = 'X'
	got, err := s.first().Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	got[1] = 'X'
	expect(t, s.first(), key, []byte("abc"))
}

// testKinds: one name of two kinds is two keys, and a kind that is none is refused.
func testKinds(t *testing.T, s Subject) {
	for _, kind := range store.Kinds() {
		update(t, s.first(), store.Key{Kind: kind, Name: "n"}, put(string(kind), time.Minute))
	}
	for _, kind := range store.Kinds() {
		expect(t, s.last(), store.Key{Kind: kind, Name: "n"}, []byte(kind))
	}
	if _, err := s.first().Get(t.Context(), store.Key{Kind: "other", Name: "n"}); err == nil {
		t.Error("a kind that is none was looked up")
	}
	if err := s.first().Update(t.Context(), store.Key{Kind: "other", Name: "n"}, remove); err == nil {
		t.Error("a kind that is none was changed")
	}
	if err := s.first().Each(t.Context(), "other", func(string, []byte) bool { return true }); err == nil {
		t.Error("a kind that is none was visited")
	}
}

// testNames: any text is a name of its own.
func testNames(t *testing.T, s Subject) {
	names := []string{"", ":", "a", "A", "a:b", "{a}", "a\x00", "a\r\n", "*", "ä", "\xff"}
	for _, name := range names {
		update(t, s.first(), store.Key{Kind: store.KindAddress, Name: name}, put("of "+name, time.Minute))
	}
	for _, name := range names {
		expect(t, s.last(), store.Key{Kind: store.KindAddress, Name: name}, []byte("of "+name))
	}
}
