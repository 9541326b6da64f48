package caddyldap

import (
	"context"
	"encoding/json"
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

// subject is a directory that is measured, and somebody in it.
type subject struct {
	config func() *Directory
	user   string
}

// subjects are the demo; with LAB_DIR, the Samba lab that make lab keeps up; and
// with SLAPD_URL the OpenLDAP of integration/slapd that make bench runs.
func subjects(b *testing.B) map[string]subject {
	b.Helper()
	s, err := demodir.Start(demodir.Demo())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	active := func(url string) subject {
		return subject{func() *Directory {
			return &Directory{Server: []Server{{URL: url}}, ServiceAccount: &ServiceAccount{Name: `EXAMPLE\svc-web`, Secret: "Secr3t-svc-web"}}
		}, "alice"}
	}
	found := map[string]subject{"demo": active(s.LDAPS())}
	if url := os.Getenv("SLAPD_URL"); url != "" {
		found["slapd"] = subject{func() *Directory {
			return &Directory{
				Server:         []Server{{URL: url}},
				ServiceAccount: &ServiceAccount{Name: "cn=svc-web,ou=services,dc=example,dc=org", Secret: "Secr3t-svc-web"},
				VerifyRaw:      []json.RawMessage{json.RawMessage(`{"verifier": "bind"}`)},
			}
		}, "anna"}
	}
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
			found["samba"] = active("ldaps://" + address)
		}
	}
	return found
}

func (s subject) open(b *testing.B, change func(*Directory)) *Directory {
	b.Helper()
	d := s.config()
	d.TLS = &TLS{InsecureSkipVerify: true}
	if change != nil {
		change(d)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: b.Context()})
	b.Cleanup(cancel)
	if err := d.provision(ctx, zap.NewNop(), "EXAMPLE"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.stop)
	return d
}

func (s subject) logIn(ctx context.Context, d *Directory) (*identity.Identity, error) {
	p, err := d.PasswordVerifier().VerifyPassword(ctx, identity.ParseName(s.user), identity.NewSecret("Secr3t-"+s.user))
	if err != nil {
		return nil, err
	}
	return d.Resolve(ctx, p)
}

// lookUps looks somebody up again, past the cache, for 16 who ask at once.
func (s subject) lookUps(b *testing.B, d *Directory) {
	b.Helper()
	id, err := s.logIn(b.Context(), d)
	if err != nil {
		b.Fatal(err)
	}
	several(b, 16, func() error {
		_, err := d.ask(b.Context(), cacheKey{}, id)
		return err
	})
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

// BenchmarkLookUp looks somebody up.
func BenchmarkLookUp(b *testing.B) {
	for name, s := range subjects(b) {
		b.Run(name, func(b *testing.B) { s.lookUps(b, s.open(b, nil)) })
	}
}

// BenchmarkPoolShape is what sharedBy and the pool's default size were chosen
// by.
func BenchmarkPoolShape(b *testing.B) {
	for name, s := range subjects(b) {
		for _, size := range []int{1, 2, 4, 8} {
			for _, share := range []int{1, 4, 16} {
				b.Run(fmt.Sprintf("%s/%dx%d", name, size, share), func(b *testing.B) {
					d := s.open(b, func(d *Directory) { d.Pool = &Pool{Size: size} })
					d.service.pool.share = share
					s.lookUps(b, d)
				})
			}
		}
	}
}

// BenchmarkPassword asks a controller about a password, for eight who log in at
// once.
func BenchmarkPassword(b *testing.B) {
	for name, s := range subjects(b) {
		b.Run(name, func(b *testing.B) {
			d := s.open(b, nil)
			several(b, 8, func() error {
				_, err := s.logIn(b.Context(), d)
				return err
			})
		})
	}
}
