// Package redisstore is a store.Store in a Redis or Valkey server, which several nodes
// share. Nothing of the client library shows outside.
//
//   - store.go: the store
//   - each.go: all values of a kind
//   - swap.go: the compare-and-swap that makes a change one act
//   - client.go: connections, and what becomes of one that fails
//   - rest.go: a server that does not answer is left alone for a moment
//   - stripes.go: one try a key and node
//   - fault.go: what went wrong, and the cure
//   - examine.go: what a self-test looks at
//   - url.go: where the server is
package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// limit is how long an operation may take, connecting included. A store answers within
// milliseconds or is down: a request asks several times, and its client waits.
const limit = time.Second

// Config is where the server is and how it is reached.
type Config struct {
	Address  string      // host:port
	Database int         // SELECT
	TLS      *tls.Config // nil is without
	// Credentials are read for each connection, so that a password that changed is
	// noticed. Without a name the user is default, without a password nobody logs in.
	Credentials func() (user, password string, err error)
}

// Store is a store.Store in a server. It connects when it is first asked.
type Store struct {
	config  Config
	dial    func(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error)
	rest    rest
	stripes stripes

	password atomic.Pointer[string] // the one that was last shown to the server

	mu      sync.Mutex
	current *client
	closed  bool
}

var _ store.Store = (*Store)(nil)

// New makes a store and touches no network. The caller closes it.
func New(config Config) (*Store, error) {
	s := &Store{config: config, dial: dial, stripes: newStripes()}
	var err error
	s.current, err = s.newClient()
	return s, err
}

// Close ends all connections. What is asked meanwhile may fail.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.current.close()
	}
}

// prefix begins the name of each value in the server: windows_auth:session:NAME. So
// others may use the same database, an access list may allow windows_auth:* alone, and
// a kind is found by SCAN. A kind has no colon, so that no name reaches into another
// kind. There is no hash tag: each script has one key, which a cluster may put anywhere.
func prefix(kind store.Kind) string { return "windows_auth:" + string(kind) + ":" }

func redisKey(key store.Key) string { return prefix(key.Kind) + key.Name }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) ([]byte, error) {
	if err := key.Check(); err != nil {
		return nil, err
	}
	bounded, cancel := s.bound(ctx)
	defer cancel()
	return s.get(bounded, redisKey(key))
}

func (s *Store) get(ctx bounded, key string) ([]byte, error) {
	m, err := s.ask(ctx, mayRepeat, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Get().Key(key).Build())
	})
	if err != nil {
		return nil, err
	}
	return s.bytes(m)
}

// Update implements store.Store: it compares the value and swaps it. Whoever finds that
// another node was faster changes what that one has left, after a while that differs.
func (s *Store) Update(ctx context.Context, key store.Key, change store.Change) error {
	if err := key.Check(); err != nil {
		return err
	}
	bounded, cancel := s.bound(ctx)
	defer cancel()
	name := redisKey(key)
	unlock, crowded, err := s.stripes.lock(bounded, name)
	if err != nil {
		return s.ended(bounded, err)
	}
	defer unlock()
	if crowded {
		bounded.turn = time.Now()
	}
	old, err := s.get(bounded, name)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		value, keep, err := change(old)
		if err != nil {
			return err
		}
		if err := store.CheckValue(value); err != nil {
			return err
		}
		if keep <= 0 {
			value = nil
		}
		found, swapped, err := s.swap(bounded, name, old, value, keep)
		if err != nil || swapped {
			return err
		}
		old = found
		if !pause(bounded, try) {
			return s.ended(bounded, errContended)
		}
		if time.Since(bounded.turn) < slowTurn { // else the server has taken the time
			bounded.turn = time.Now()
		}
	}
}

var errContended = errors.New("other nodes changed the value again and again")

// pause waits for up to a millisecond after the first try, twice as long after each
// other one, and reports whether there is time left.
func pause(ctx context.Context, try int) bool {
	most := time.Millisecond << min(try, 5)
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Shared implements store.Store.
func (*Store) Shared() bool { return true }

// bytes are a value, nil where there is none.
func (s *Store) bytes(m rueidis.RedisMessage) ([]byte, error) {
	if m.IsNil() {
		return nil, nil
	}
	text, err := m.ToString()
	if err != nil {
		return nil, s.fault(fmt.Errorf("an answer that is no value: %w", err))
	}
	return []byte(text), nil
}

// milliseconds is a time to keep something for, as PX takes it.
func milliseconds(keep time.Duration) string {
	whole := keep / time.Millisecond
	if keep%time.Millisecond > 0 {
		whole++
	}
	return strconv.FormatInt(max(1, int64(whole)), 10)
}
