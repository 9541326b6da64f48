package redisstore

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// batch is how many keys the server looks at for one SCAN.
const batch = 1000

// Each implements store.Store. SCAN may name a key twice, and goes over all keys of the
// database, whosever they are.
func (s *Store) Each(ctx context.Context, kind store.Kind, visit func(string, []byte) bool) error {
	if err := (store.Key{Kind: kind}).Check(); err != nil {
		return err
	}
	seen := make(map[string]struct{})
	for cursor := uint64(0); ; {
		entry, err := s.scan(ctx, kind, cursor)
		if err != nil {
			return err
		}
		fresh := entry.Elements[:0]
		for _, key := range entry.Elements {
			if _, twice := seen[key]; !twice {
				seen[key] = struct{}{}
				fresh = append(fresh, key)
			}
		}
		if more, err := s.visit(ctx, kind, fresh, visit); err != nil || !more {
			return err
		}
		if cursor = entry.Cursor; cursor == 0 {
			return nil
		}
	}
}

func (s *Store) scan(ctx context.Context, kind store.Kind, cursor uint64) (rueidis.ScanEntry, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	m, err := s.ask(bounded, mayRepeat, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Scan().Cursor(cursor).Match(prefix(kind)+"*").Count(batch).Build())
	})
	if err != nil {
		return rueidis.ScanEntry{}, err
	}
	entry, err := m.AsScanEntry()
	if err != nil {
		return rueidis.ScanEntry{}, s.fault(err)
	}
	return entry, nil
}

// visit shows the values of some keys, a few at a time, since a value may be long.
func (s *Store) visit(ctx context.Context, kind store.Kind, keys []string, visit func(string, []byte) bool) (more bool, err error) {
	for some := range slices.Chunk(keys, 64) {
		values, err := s.several(ctx, some)
		if err != nil {
			return false, err
		}
		for i, value := range values {
			if value != nil && !visit(strings.TrimPrefix(some[i], prefix(kind)), value) {
				return false, nil
			}
		}
	}
	return true, nil
}

// several are the values of some keys, nil where there is none any more.
func (s *Store) several(ctx context.Context, keys []string) ([][]byte, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	m, err := s.ask(bounded, mayRepeat, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Mget().Key(keys...).Build())
	})
	if err != nil {
		return nil, err
	}
	all, err := m.ToArray()
	if err != nil || len(all) != len(keys) {
		return nil, s.fault(errAnswer)
	}
	values := make([][]byte, len(all))
	for i := range all {
		if values[i], err = s.bytes(all[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}
