package store

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// BenchmarkMemoryGet is what a request with a session pays: a session of 1 KiB among a
// hundred thousand.
func BenchmarkMemoryGet(b *testing.B) {
	m := NewMemory(nil, time.Now)
	value := bytes.Repeat([]byte("x"), 1<<10)
	for i := range DefaultMost {
		if err := m.Update(b.Context(), Key{KindSession, fmt.Sprint(i)}, put(string(value), time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if got, err := m.Get(b.Context(), Key{KindSession, "77777"}); err != nil || len(got) != len(value) {
			b.Fatal(err, len(got))
		}
	}
}
