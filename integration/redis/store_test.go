package redis

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
	"github.com/caddy-ntlm/caddy-ntlm/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server until the test ends.
func start(t *testing.T, options Options) *Server {
	t.Helper()
	s, err := Start(t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func asDefault() (string, string, error) { return "", Password, nil }

// node is a node's store in a server, until the test ends.
func node(t *testing.T, config redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, server *Server) *redisstore.Store {
	t.Helper()
	config := redisstore.Config{Address: server.Address, Credentials: asDefault}
	if server.CA != "" {
		config.TLS = &tls.Config{RootCAs: pool(t, server.CA), MinVersion: tls.VersionTLS12}
	}
	return node(t, config)
}

func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := x509.NewCertPool()
	if !all.AppendCertsFromPEM(text) {
		t.Fatal("no certificate in ", file)
	}
	return all
}

func (s *Server) must(t *testing.T, words ...string) string {
	t.Helper()
	said, err := s.Do(words...)
	if err != nil {
		t.Fatalf("%v: %s %v", words, said, err)
	}
	return said
}

// TestRedisKeepsTheContract: as a store in memory does, with two nodes, without TLS and
// with it.
func TestRedisKeepsTheContract(t *testing.T) {
	for name, options := range map[string]Options{"plain": {}, "tls": {TLS: true}, "ipv6": {Host: "::1"}} {
		t.Run(name, func(t *testing.T) {
			server := start(t, options)
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				server.must(t, "FLUSHALL")
				return storetest.Subject{Nodes: []store.Store{open(t, server), open(t, server)}, Pass: time.Sleep}
			})
		})
	}
}

func systemRoots() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12} }

// BenchmarkGet is what a request with a session pays where a server on the same machine
// keeps it, and BenchmarkUpdate what a log-in pays.
func BenchmarkGet(b *testing.B) {
	s := benched(b)
	b.ReportAllocs()
	for b.Loop() {
		if got, err := s.Get(b.Context(), key); err != nil || len(got) != 1<<10 {
			b.Fatal(len(got), err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	s := benched(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Update(b.Context(), key, put("x")); err != nil {
			b.Fatal(err)
		}
	}
}

func benched(b *testing.B) *redisstore.Store {
	b.Helper()
	server, err := Start(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	s, err := redisstore.New(redisstore.Config{Address: server.Address, Credentials: asDefault})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	if err := s.Update(b.Context(), key, put(strings.Repeat("x", 1<<10))); err != nil {
		b.Fatal(err)
	}
	return s
}
