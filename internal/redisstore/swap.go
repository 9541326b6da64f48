package redisstore

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// swapScript changes a value where it still is what somebody has seen, and gives what is
// there where it is not. A flag before each value says whether there is one, since an
// empty one is a value.
var swapScript = rueidis.NewLuaScript(`
local found = redis.call('GET', KEYS[1])
if ARGV[1] == '1' then
	if found ~= ARGV[2] then return {found} end
elseif found then
	return {found}
end
if ARGV[3] == '1' then
	redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
elseif found then
	redis.call('DEL', KEYS[1])
end
return 1
`)

// swap puts a value in the place of another one, nil is none. Where another one than old
// is there it gives that. After an error nobody knows.
func (s *Store) swap(ctx bounded, key string, old, value []byte, keep time.Duration) (found []byte, swapped bool, err error) {
	if old == nil && value == nil {
		return nil, true, nil
	}
	args := []string{flag(old), string(old), flag(value), string(value), milliseconds(keep)}
	m, err := s.ask(ctx, mustNotRepeat, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return swapScript.Exec(ctx, c, []string{key}, args)
	})
	if err != nil {
		return nil, false, err
	}
	if done, err := m.AsInt64(); err == nil && done == 1 {
		return nil, true, nil
	}
	seen, err := m.ToArray()
	if err != nil || len(seen) > 1 {
		return nil, false, s.fault(errAnswer)
	}
	if len(seen) == 0 { // Lua ends a list at a nil
		return nil, false, nil
	}
	found, err = s.bytes(seen[0])
	return found, false, err
}

func flag(value []byte) string {
	if value == nil {
		return "0"
	}
	return "1"
}
