package caddyntlm

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App is the app windows_auth: what the doors of all sites share. It is there where
// nothing is configured too.
type App struct {
	store store.Store
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "windows_auth", New: func() caddy.Module { return new(App) }}
}

// Provision makes the store ready. Nothing touches the network.
func (a *App) Provision(caddy.Context) error {
	shared, _, err := sharedMemory.LoadOrNew(memoryKey, func() (caddy.Destructor, error) {
		return &keptMemory{store.NewMemory(nil, time.Now)}, nil
	})
	if err != nil {
		return err
	}
	a.store = shared.(*keptMemory).Memory
	return nil
}

// Start implements caddy.App.
func (*App) Start() error { return nil }

// Stop implements caddy.App.
func (*App) Stop() error { return nil }

// Cleanup gives the store back.
func (a *App) Cleanup() error {
	if a.store == nil {
		return nil
	}
	_, err := sharedMemory.Delete(memoryKey)
	return err
}

// Store is where what is counted, sessions and spent codes are kept.
func (a *App) Store() store.Store { return a.store }

// sharedMemory keeps the store in this process over reloads.
var sharedMemory = caddy.NewUsagePool()

const memoryKey = "memory"

// keptMemory is a Memory in a pool.
type keptMemory struct{ *store.Memory }

// Destruct implements caddy.Destructor.
func (*keptMemory) Destruct() error { return nil }

// app is the app that the configuration of a handler has.
func app(ctx caddy.Context) (*App, error) {
	loaded, err := ctx.App("windows_auth")
	if err != nil {
		return nil, fmt.Errorf("loading the app windows_auth: %w", err)
	}
	return loaded.(*App), nil
}

// openStore finds the store of all sites.
func (h *Handler) openStore(ctx caddy.Context) error {
	shared, err := app(ctx)
	if err == nil {
		h.store = shared.Store()
	}
	return err
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
