package redisstore

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// Report is what a server is, and what will go wrong with it one day.
type Report struct {
	Version  string // empty where the server does not say
	Findings []Finding
}

// Finding is something that works today, and the cure.
type Finding struct{ Text, Hint string }

// Examine does what a request will do, and reads what the server says of itself, where
// that is allowed.
func (s *Store) Examine(ctx context.Context) (Report, error) {
	if err := s.try(ctx); err != nil {
		return Report{}, err
	}
	facts := s.info(ctx)
	r := Report{Version: facts["valkey_version"]}
	if r.Version == "" {
		r.Version = facts["redis_version"]
	}
	if policy := facts["maxmemory_policy"]; policy != "" && policy != "noeviction" && facts["maxmemory"] != "0" {
		r.Findings = append(r.Findings, Finding{"the server forgets values when its memory is full: maxmemory-policy " + policy,
			"codes may then be spent twice, and people are logged out: set maxmemory-policy noeviction"})
	}
	if facts["aof_enabled"] == "0" {
		r.Findings = append(r.Findings, Finding{"a server that is restarted forgets values that it has confirmed",
			"everybody is logged out then, and codes of the last minutes may be spent twice: set appendonly yes and appendfsync always"})
	}
	return r, nil
}

// try keeps something, reads it, removes it, and looks for all that is kept.
func (s *Store) try(ctx context.Context) error {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	key, value := prefix("self-test")+rand.Text(), []byte("1")
	if _, _, err := s.swap(bounded, key, nil, value, limit+time.Minute); err != nil {
		return err
	}
	if _, err := s.get(bounded, key); err != nil {
		return err
	}
	if _, _, err := s.swap(bounded, key, value, nil, 0); err != nil {
		return err
	}
	_, err := s.scan(ctx, store.KindSession, 0)
	return err
}

// info is what the server says of itself, nothing where it does not.
func (s *Store) info(ctx context.Context) map[string]string {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	facts := make(map[string]string)
	m, err := s.ask(bounded, mayRepeat, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Info().Build())
	})
	if err != nil {
		return facts
	}
	text, _ := m.ToString()
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = value
		}
	}
	return facts
}
