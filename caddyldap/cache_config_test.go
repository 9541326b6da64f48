package caddyldap

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func TestFreshness(t *testing.T) {
	minutes := func(n time.Duration) caddy.Duration { return caddy.Duration(n * time.Minute) }
	for name, c := range map[string]struct {
		cache        *Cache
		fresh, stale time.Duration
	}{
		"default":      {nil, 5 * time.Minute, 15 * time.Minute},
		"empty":        {&Cache{}, 5 * time.Minute, 15 * time.Minute},
		"both":         {&Cache{TTL: minutes(1), Stale: minutes(2)}, time.Minute, 2 * time.Minute},
		"longer ttl":   {&Cache{TTL: minutes(60)}, time.Hour, time.Hour},
		"longer stale": {&Cache{Stale: minutes(60)}, 5 * time.Minute, time.Hour},
	} {
		fresh, stale := (&Directory{Cache: c.cache}).Freshness()
		if fresh != c.fresh || stale != c.stale {
			t.Errorf("%s: got %v %v, want %v %v", name, fresh, stale, c.fresh, c.stale)
		}
	}
}
