package caddyntlm

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

const storeErrors = "caddy_windows_auth_store_errors_total"

var storedSession = store.Key{Kind: store.KindSession, Name: "alice"}

func keeping(value string) store.Change {
	return func([]byte) ([]byte, time.Duration, error) { return []byte(value), time.Hour, nil }
}

// provisionApp makes an app ready, until the test ends or stop is called, and starts
// nothing. Its lines go to the observer.
func provisionApp(t *testing.T, storeJSON string) (a *App, logs *observer.ObservedLogs, stop func()) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	core, logs := observer.New(zapcore.DebugLevel)
	a = &App{Log: zap.New(core)}
	if storeJSON != "" {
		a.StoreRaw = []byte(storeJSON)
	}
	if err := a.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := errors.Join(a.Stop(), a.Cleanup()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return a, logs, stop
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestDeadStoreStopsNoStart: nothing is asked while the configuration loads, the log says
// after the start what will not work and the cure, and a request finds a technical failure.
func TestDeadStoreStopsNoStart(t *testing.T) {
	a, logs, stop := provisionApp(t, `{"store": "redis", "url": "redis://`+closedPort(t)+`"}`)
	if got := logs.Len(); got != 0 {
		t.Errorf("got %d lines before the start", got)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	a.running.Wait()
	said := logs.FilterMessage("self-test: the store will not work").All()
	if len(said) != 1 || said[0].Level != zapcore.ErrorLevel || !strings.Contains(said[0].ContextMap()["hint"].(string), "listens") {
		t.Errorf("got %v", said)
	}
	before := storeFailures(t, a)
	if _, err := a.Store().Get(t.Context(), storedSession); !errors.Is(err, store.ErrDown) {
		t.Errorf("got %v, want %v", err, store.ErrDown)
	}
	if err := a.Store().Update(t.Context(), storedSession, keeping("1")); !errors.Is(err, store.ErrDown) {
		t.Errorf("got %v, want %v", err, store.ErrDown)
	}
	if got := storeFailures(t, a) - before; got != 2 {
		t.Errorf("got %v failures counted, want 2", got)
	}
	if got := logs.FilterLevelExact(zapcore.WarnLevel).Len(); got != 1 {
		t.Errorf("got %d warnings, want 1", got)
	}
	stop()
}

func storeFailures(t *testing.T, a *App) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(a.metrics); err != nil {
		t.Fatal(err)
	}
	sum, _ := metrictest.Sum(t, registry, storeErrors)
	return sum
}

// TestStoreOutlivesReloads: what is kept is there under the next configuration, while one
// that says something else of the store begins empty.
func TestStoreOutlivesReloads(t *testing.T) {
	first, _, stopFirst := provisionApp(t, "")
	if err := first.Store().Update(t.Context(), storedSession, keeping("kept")); err != nil {
		t.Fatal(err)
	}
	second, _, _ := provisionApp(t, `{"store": "memory"}`)
	stopFirst()
	if got, err := second.Store().Get(t.Context(), storedSession); err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v after a reload", got, err)
	}
	other, _, _ := provisionApp(t, `{"store": "memory", "size": 3}`)
	if got, err := other.Store().Get(t.Context(), storedSession); err != nil || got != nil {
		t.Errorf("got %q, %v in a store of another size", got, err)
	}
}

// TestRedisOutlivesReloads: its connections too, unless the password changes or the file
// of the authority.
func TestRedisOutlivesReloads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	copyFile(t, file, "../integration/adapt/ca.pem")
	config := func(password string) string {
		return `{"store": "redis", "url": "rediss://redis.example.com", "password": "` + password + `", "trust_pool": {"provider": "file", "pem_files": ["` + file + `"]}}`
	}
	first, _, _ := provisionApp(t, config("one"))
	same, _, _ := provisionApp(t, config("one"))
	password, _, _ := provisionApp(t, config("two"))
	more, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	another := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: shownCertificate(t, key).Certificate[0]})
	if err := os.WriteFile(file, append(more, another...), 0o600); err != nil {
		t.Fatal(err)
	}
	authority, _, _ := provisionApp(t, config("one"))
	for name, test := range map[string]struct {
		app  *App
		want bool
	}{"same": {same, true}, "password": {password, false}, "authority": {authority, false}} {
		if got := test.app.kept == first.kept; got != test.want {
			t.Errorf("%s: got the same store: %v, want %v", name, got, test.want)
		}
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStoreMistakes: what is wrong in JSON is said when it is loaded, without a password.
func TestStoreMistakes(t *testing.T) {
	const secret = "Secr3t-never-shown"
	for name, raw := range map[string]string{
		"no URL":          `{"store": "redis"}`,
		"no URL of ours":  `{"store": "redis", "url": "http://:` + secret + `@redis.example.com"}`,
		"two passwords":   `{"store": "redis", "url": "rediss://:` + secret + `@redis.example.com", "password": "` + secret + `"}`,
		"no password":     `{"store": "redis", "url": "rediss://redis.example.com", "username": "caddy"}`,
		"no TLS":          `{"store": "redis", "url": "redis://redis.example.com", "trust_pool": {"provider": "file", "pem_files": ["/nowhere"]}}`,
		"no file":         `{"store": "redis", "url": "rediss://redis.example.com", "trust_pool": {"provider": "file", "pem_files": ["/nowhere"]}}`,
		"no secret":       `{"store": "redis", "url": "rediss://redis.example.com", "password": "{file./nowhere/redis}"}`,
		"less":            `{"store": "memory", "size": -1}`,
		"no such store":   `{"store": "postgres"}`,
		"no such word":    `{"store": "redis", "url": "rediss://redis.example.com", "cluster": true}`,
		"no store at all": `{}`,
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		a := &App{StoreRaw: []byte(raw)}
		err := a.Provision(ctx)
		cancel()
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := a.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

// TestRedisPassword: it is read when it is used, and what cannot be read is said by name.
func TestRedisPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redis")
	r := &RedisStore{URL: "redis://caddy@127.0.0.1", Password: "{file." + file + "}"}
	r.at, _ = redisstore.ParseURL(r.URL)
	if _, _, err := r.credentials(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want the file named", err)
	}
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if user, got, err := r.credentials(); err != nil || user != "caddy" || got != want {
			t.Errorf("got %s, %s, %v", user, got, err)
		}
	}
	r = &RedisStore{}
	r.at, _ = redisstore.ParseURL("redis://:in-the-url@127.0.0.1")
	if user, got, err := r.credentials(); err != nil || user != "" || got != "in-the-url" {
		t.Errorf("got %s, %s, %v", user, got, err)
	}
}

// brokenStore fails as it is told to.
type brokenStore struct{ get, update error }

func (b *brokenStore) Get(context.Context, store.Key) ([]byte, error)        { return nil, b.get }
func (b *brokenStore) Update(context.Context, store.Key, store.Change) error { return b.update }
func (b *brokenStore) Each(context.Context, store.Kind, func(string, []byte) bool) error {
	return b.get
}
func (*brokenStore) Shared() bool { return true }

// TestOutageIsToldOnceAMinute: and its end once. A full store, which still is read, does
// not come and go with each read; what a change or a context says is no outage.
func TestOutageIsToldOnceAMinute(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	b, now := new(brokenStore), time.Unix(1000, 0)
	w := &watched{keptStore: &keptStore{Store: b}, log: zap.New(core), failures: newMetrics().stores, now: func() time.Time { return now }}
	down := &redisstore.Error{Server: "redis.example.com:6379", Hint: "mend it", Err: errors.New("gone")}
	ask := func() {
		_, _ = w.Get(t.Context(), storedSession)
		_ = w.Update(t.Context(), storedSession, keeping("1"))
	}
	want := func(step string, warnings, infos int) {
		t.Helper()
		gotWarnings, gotInfos := logs.FilterLevelExact(zapcore.WarnLevel).Len(), logs.FilterLevelExact(zapcore.InfoLevel).Len()
		if gotWarnings != warnings || gotInfos != infos {
			t.Errorf("%s: got %d warnings and %d ends, want %d and %d", step, gotWarnings, gotInfos, warnings, infos)
		}
		logs.TakeAll()
	}
	ask()
	want("all is well", 0, 0)
	b.get, b.update = context.Canceled, store.ErrTooLarge
	ask()
	want("others' errors", 0, 0)
	b.get, b.update = down, down
	for range 59 {
		ask()
		now = now.Add(time.Second)
	}
	want("down", 1, 0)
	now = now.Add(2 * time.Second)
	ask()
	want("still down", 1, 0)
	b.get, b.update = nil, nil
	ask()
	ask()
	want("back", 0, 1)
	now = now.Add(time.Hour)
	b.update = down
	ask()
	ask()
	want("full", 1, 0)
	b.update = nil
	ask()
	want("room again", 0, 1)
	b.update = down
	ask()
	b.update = nil
	ask()
	want("full for a moment, within the minute", 0, 0)
}

// TestOutageModel: an end is told after a beginning that was, and no more than one
// beginning a minute.
func TestOutageModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, now, told, last := new(outage), time.Unix(1000, 0), false, time.Time{}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			write := rapid.Bool().Draw(t, "write")
			if rapid.Bool().Draw(t, "fails") {
				if o.failed(now, write) {
					if now.Sub(last) < time.Minute {
						t.Fatalf("told after %v", now.Sub(last))
					}
					told, last = true, now
				}
				if !o.on.Load() {
					t.Fatal("no outage after a failure")
				}
			} else if lasted, tell := o.worked(now, write); tell {
				if !told || lasted < 0 || o.on.Load() {
					t.Fatalf("the end of nothing was told, after %v", lasted)
				}
				told = false
			} else if !o.on.Load() {
				told = false
			}
		}
		// Whatever has happened, a write that works ends it.
		if o.worked(now, true); o.on.Load() {
			t.Fatal("still an outage")
		}
	})
}
