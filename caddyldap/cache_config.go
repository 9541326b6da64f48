package caddyldap

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Cache bounds how long identities are used, and how many are kept. Only
// successes are.
type Cache struct {
	// How long an identity is used before it is looked up again, at most 3h.
	// Default: 5m.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// How long it lives while no controller answers. Default: 15m, or ttl
	// where that is longer.
	Stale caddy.Duration `json:"stale,omitempty"`
	// How many identities are kept. Default: 100000.
	Size int `json:"size,omitempty"`
}

// Defaults of the cache word, and the longest time for which a removal from a
// group may go unnoticed.
const (
	defaultTTL       = 5 * time.Minute
	defaultStale     = 15 * time.Minute
	defaultCacheSize = 100_000
	longestTTL       = 3 * time.Hour
)

func (d *Directory) checkCache() error {
	c := d.Cache
	switch {
	case c == nil:
		return nil
	case c.TTL < 0 || c.Stale < 0 || c.Size < 0:
		return errors.New("cache: less than nothing; leave the line out for ttl 5m, stale 15m, size 100000")
	case time.Duration(c.TTL) > longestTTL:
		return fmt.Errorf("cache: ttl %v is more than 3h, for which whoever is removed from a group would stay in", time.Duration(c.TTL))
	case c.Stale > 0 && time.Duration(c.Stale) < d.ttl():
		return fmt.Errorf("cache: stale %v is less than ttl %v, and must not be: it is the longest life while no controller answers", time.Duration(c.Stale), d.ttl())
	}
	return nil
}

func (d *Directory) ttl() time.Duration {
	if d.Cache != nil && d.Cache.TTL > 0 {
		return time.Duration(d.Cache.TTL)
	}
	return defaultTTL
}

// Freshness is how old an identity may be when it is used, and how old while no
// controller answers.
func (d *Directory) Freshness() (fresh, stale time.Duration) {
	if d.Cache != nil && d.Cache.Stale > 0 {
		return d.ttl(), time.Duration(d.Cache.Stale)
	}
	return d.ttl(), max(defaultStale, d.ttl())
}

func (d *Directory) cacheSize() int {
	if d.Cache != nil && d.Cache.Size > 0 {
		return d.Cache.Size
	}
	return defaultCacheSize
}
