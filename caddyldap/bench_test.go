package caddyldap

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// benchDirectories are the demo and, with LAB_DIR, the Samba lab that make lab
// keeps up: their servers.
func benchDirectories(b *testing.B) map[string][]Server {
	b.Helper()
	s, err := demodir.Start(demodir.Demo())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	found := map[string][]Server{"demo": {{URL: s.LDAPS()}}}
	dir := os.Getenv("LAB_DIR")
	if dir == "" {
		return found
	}
	text, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if address, ok := strings.CutPrefix(strings.TrimSpace(line), "DC1_ADDR="); ok {
			found["samba"] = []Server{{URL: "ldaps://" + address}}
		}
	}
	return found
}

func openBench(b *testing.B, config *Directory) *Directory {
	b.Helper()
	config.TLS = &TLS{InsecureSkipVerify: true}
	config.ServiceAccount = &ServiceAccount{Name: `EXAMPLE\svc-web`, Secret: "Secr3t-svc-web"}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: b.Context()})
	b.Cleanup(cancel)
	if err := config.provision(ctx, zap.NewNop(), "EXAMPLE"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(config.stop)
	return config
}

// several runs something b.N times, some at a time, and reports how often a
// second.
func several(b *testing.B, workers int, act func() error) {
	b.Helper()
	if err := act(); err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	b.ResetTimer()
	for range workers {
		all.Go(func() {
			for range left {
				if err := act(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "each/s")
}

// BenchmarkLookUp looks somebody up again, past the cache, for 16 who ask at
// once.
func BenchmarkLookUp(b *testing.B) {
	for name, servers := range benchDirectories(b) {
		b.Run(name, func(b *testing.B) {
			d := openBench(b, &Directory{Server: servers})
			id := benchLogIn(b, d)
			several(b, 16, func() error {
				_, err := d.ask(b.Context(), cacheKey{}, id)
				return err
			})
		})
	}
}

// BenchmarkPoolShape is what sharedBy and the pool's default size were chosen
// by.
func BenchmarkPoolShape(b *testing.B) {
	for name, servers := range benchDirectories(b) {
		for _, size := range []int{1, 2, 4, 8} {
			for _, share := range []int{1, 4, 16} {
				b.Run(fmt.Sprintf("%s/%dx%d", name, size, share), func(b *testing.B) {
					d := openBench(b, &Directory{Server: servers, Pool: &Pool{Size: size}})
					d.service.pool.share = share
					id := benchLogIn(b, d)
					several(b, 16, func() error {
						_, err := d.ask(b.Context(), cacheKey{}, id)
						return err
					})
				})
			}
		}
	}
}

func benchLogIn(b *testing.B, d *Directory) *identity.Identity {
	b.Helper()
	p, err := d.PasswordVerifier().VerifyPassword(b.Context(), identity.ParseName("alice"), identity.NewSecret("Secr3t-alice"))
	if err != nil {
		b.Fatal(err)
	}
	id, err := d.Resolve(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// BenchmarkPassword asks a controller about a password, for eight who log in at
// once.
func BenchmarkPassword(b *testing.B) {
	for name, servers := range benchDirectories(b) {
		b.Run(name, func(b *testing.B) {
			d := openBench(b, &Directory{Server: servers})
			several(b, 8, func() error {
				p, err := d.PasswordVerifier().VerifyPassword(b.Context(), identity.ParseName("alice"), identity.NewSecret("Secr3t-alice"))
				if err != nil {
					return err
				}
				_, err = d.Resolve(b.Context(), p)
				return err
			})
		})
	}
}
