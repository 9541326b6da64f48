package caddyntlm

import (
	"context"
	"crypto/x509"
	"encoding/json"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
	"github.com/caddy-ntlm/caddy-ntlm/internal/shelf"
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

// Close implements shelf.Thing.
func (k *keptStore) Close() error {
	if k.close != nil {
		k.close()
	}
	return nil
}

// storesKept outlives every configuration, like the metrics.
var storesKept = shelf.New[*keptStore]()

// holdStore finds the store of a configuration that has been there before, or makes a new
// one. release gives it back.
func holdStore(module storage) (kept *keptStore, release func() error, err error) {
	raw, err := json.Marshal(module)
	if err != nil {
		return nil, nil, err
	}
	raw = append([]byte(module.CaddyModule().ID+"\x00"), raw...)
	fits := func(k *keptStore) bool { return k.trusted.Equal(module.roots()) }
	return storesKept.Hold(raw, fits, func() (*keptStore, error) {
		k, err := module.open()
		if err == nil {
			k.trusted = module.roots()
		}
		return k, err
	})
}
