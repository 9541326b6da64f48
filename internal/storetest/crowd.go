package storetest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// testCounting: of many who count at once, on all nodes, none is lost.
func testCounting(t *testing.T, s Subject) {
	const each = 25
	key := store.Key{Kind: store.KindAccount, Name: "alice"}
	var all sync.WaitGroup
	for _, node := range s.Nodes {
		for range 4 {
			all.Go(func() {
				for range each {
					if err := node.Update(t.Context(), key, count); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	want := make([]byte, 8)
	binary.BigEndian.PutUint64(want, uint64(len(s.Nodes)*4*each))
	expect(t, s.first(), key, want)
}

func count(old []byte) ([]byte, time.Duration, error) {
	var n uint64
	if old != nil {
		n = binary.BigEndian.Uint64(old)
	}
	return binary.BigEndian.AppendUint64(nil, n+1), time.Minute, nil
}

// testOnce: of fifty who take one code at once, on all nodes, one is first.
func testOnce(t *testing.T, s Subject) {
	for round := range 5 {
		key := store.Key{Kind: store.KindCode, Name: fmt.Sprint("alice/", round)}
		var firsts atomic.Int32
		var all sync.WaitGroup
		for i := range 50 {
			node := s.Nodes[i%len(s.Nodes)]
			all.Go(func() {
				first, err := store.Once(t.Context(), node, key, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if first {
					firsts.Add(1)
				}
			})
		}
		all.Wait()
		if got := firsts.Load(); got != 1 {
			t.Errorf("got %d firsts, want 1", got)
		}
	}
}

func testEach(t *testing.T, s Subject) {
	want := make(map[string]string)
	for i := range 2500 {
		name := fmt.Sprintf("owner *[?]\\ %d", i)
		want[name] = fmt.Sprint(i)
		update(t, s.first(), store.Key{Kind: store.KindOwner, Name: name}, put(want[name], time.Hour))
	}
	update(t, s.first(), store.Key{Kind: store.KindOwner, Name: "runs out"}, put("1", 100*time.Millisecond))
	update(t, s.first(), store.Key{Kind: store.KindSession, Name: "of another kind"}, put("1", time.Hour))
	s.Pass(200 * time.Millisecond)
	got := make(map[string]string)
	if err := s.last().Each(t.Context(), store.KindOwner, func(name string, value []byte) bool {
		if _, twice := got[name]; twice {
			t.Errorf("%q was visited twice", name)
		}
		got[name] = string(value)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("visited %d values, want %d", len(got), len(want))
	}
	seen := 0
	if err := s.last().Each(t.Context(), store.KindOwner, func(string, []byte) bool { seen++; return false }); err != nil || seen != 1 {
		t.Errorf("saw %d, %v after a no", seen, err)
	}
	// Whoever visits may change what he visits.
	if err := s.last().Each(t.Context(), store.KindOwner, func(name string, _ []byte) bool {
		update(t, s.last(), store.Key{Kind: store.KindOwner, Name: name}, remove)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	seen = 0
	if err := s.last().Each(t.Context(), store.KindOwner, func(string, []byte) bool { seen++; return true }); err != nil || seen != 0 {
		t.Errorf("saw %d, %v after all were removed", seen, err)
	}
}
