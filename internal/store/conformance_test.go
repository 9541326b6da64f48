package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/storetest"
)

// TestMemoryKeepsTheContract: what it keeps, Redis keeps.
func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Subject {
		var passed atomic.Int64
		m := store.NewMemory(nil, func() time.Time { return time.Unix(1000, passed.Load()) })
		return storetest.Subject{Nodes: []store.Store{m}, Pass: func(d time.Duration) { passed.Add(int64(d)) }}
	})
}
