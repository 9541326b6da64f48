package caddyntlm

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// storage is a module under windows_auth.stores. Its JSON is what tells two apart.
type storage interface {
	caddy.Module
	// open makes the store, and touches no network.
	open() (*keptStore, error)
	// giveaways tells what of the configuration gives protection away.
	giveaways(say func(hint string))
	// roots are the authorities that are believed, nil for those of the system: a file
	// may change under an unchanged configuration.
	roots() *x509.CertPool
}

// keptStore is a store that outlives reloads.
type keptStore struct {
	store.Store
	// examine asks the store for its self-test; nil where nothing can fail.
	examine func(context.Context) (redisstore.Report, error)
	close   func() // nil where nothing is open
	trusted *x509.CertPool
	outage  outage
}

// Destruct implements caddy.Destructor.
func (k *keptStore) Destruct() error {
	if k.close != nil {
		k.close()
	}
	return nil
}

// storeShelf keeps stores over reloads, under a hash of the configuration that tells
// nobody the secrets in it.
type storeShelf struct {
	pool   *caddy.UsagePool
	secret [32]byte
	last   atomic.Uint64
}

// storesKept outlives every configuration, like the metrics.
var storesKept = newStoreShelf()

func newStoreShelf() *storeShelf {
	s := &storeShelf{pool: caddy.NewUsagePool()}
	_, _ = rand.Read(s.secret[:]) // never fails: crypto/rand ends the program instead
	return s
}

// shelfPlace is where a store is kept: one more generation where its authorities changed.
type shelfPlace struct {
	print      [sha256.Size]byte
	generation uint64
}

// hold finds the store of a configuration that has been there before, or makes a new
// one. release gives it back.
func (s *storeShelf) hold(module storage) (*keptStore, shelfPlace, error) {
	raw, err := json.Marshal(module)
	if err != nil {
		return nil, shelfPlace{}, err
	}
	mac := hmac.New(sha256.New, s.secret[:])
	mac.Write([]byte(module.CaddyModule().ID + "\x00"))
	mac.Write(raw)
	at := s.find([sha256.Size]byte(mac.Sum(nil)), module.roots())
	kept, _, err := s.pool.LoadOrNew(at, func() (caddy.Destructor, error) {
		k, err := module.open()
		if err != nil {
			return nil, err
		}
		k.trusted = module.roots()
		return k, nil
	})
	if err != nil {
		return nil, shelfPlace{}, err
	}
	return kept.(*keptStore), at, nil
}

// find is the place of a store that fits, or a free one.
func (s *storeShelf) find(print [sha256.Size]byte, roots *x509.CertPool) shelfPlace {
	at := shelfPlace{print, s.last.Add(1)}
	s.pool.Range(func(key, value any) bool {
		known := key.(shelfPlace)
		if fits := known.print == print && value.(*keptStore).trusted.Equal(roots); fits {
			at = known
			return false
		}
		return true
	})
	return at
}

func (s *storeShelf) release(at shelfPlace) error {
	_, err := s.pool.Delete(at)
	return err
}

var _ caddy.Destructor = (*keptStore)(nil)
