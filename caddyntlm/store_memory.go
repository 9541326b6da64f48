package caddyntlm

import (
	"crypto/x509"
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

func init() {
	caddy.RegisterModule(new(MemoryStore))
}

// MemoryStore keeps values in this process: for one node, until it ends.
type MemoryStore struct {
	// How many values of each kind are kept, such as sessions; one more pushes out the
	// one that was used longest ago. Default: 100000.
	Size int `json:"size,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "windows_auth.stores.memory", New: func() caddy.Module { return new(MemoryStore) }}
}

// Validate implements caddy.Validator.
func (m *MemoryStore) Validate() error {
	if m.Size < 0 {
		return errors.New("store memory: size is less than nothing")
	}
	return nil
}

// open implements storage.
func (m *MemoryStore) open() (*keptStore, error) {
	most := make(map[store.Kind]int)
	for _, kind := range store.Kinds() {
		most[kind] = m.Size
	}
	return &keptStore{Store: store.NewMemory(most, time.Now)}, nil
}

// giveaways implements storage.
func (*MemoryStore) giveaways(func(string)) {}

// roots implements storage.
func (*MemoryStore) roots() *x509.CertPool { return nil }

// Interface guards.
var (
	_ storage         = (*MemoryStore)(nil)
	_ caddy.Validator = (*MemoryStore)(nil)
)
