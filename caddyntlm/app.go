package caddyntlm

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App is the app windows_auth: what the doors of all sites share. It is there where
// nothing is configured too.
type App struct {
	// Where wrong passwords are counted, and sessions and spent codes are kept: a module
	// of windows_auth.stores. Default: memory.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=windows_auth.stores inline_key=store"`
	// Log takes the lines of the app. Default: Caddy's own.
	Log *zap.Logger `json:"-"`

	module  storage
	kept    *keptStore
	release func() error // of kept
	store   store.Store
	metrics *metrics
	log     *zap.Logger
	end     context.CancelFunc
	running sync.WaitGroup
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "windows_auth", New: func() caddy.Module { return new(App) }}
}

// Provision makes the store ready. Nothing touches the network.
func (a *App) Provision(ctx caddy.Context) error {
	if a.log = a.Log; a.log == nil {
		a.log = ctx.Logger()
	}
	var err error
	if a.module, err = a.storage(ctx); err != nil {
		return err
	}
	a.module.giveaways(func(hint string) {
		a.log.Warn("the configuration gives protection away", zap.String("word", a.word()), zap.String("hint", hint))
	})
	if a.kept, a.release, err = holdStore(a.module); err != nil {
		return err
	}
	if a.metrics, err = loadMetrics(ctx); err != nil {
		return err
	}
	a.store = a.kept.Store
	if a.kept.examine != nil { // one that cannot fail needs nobody who watches it
		a.store = &watched{keptStore: a.kept, log: a.log, failures: a.metrics.stores, now: time.Now}
	}
	return nil
}

// storage is the module of the store.
func (a *App) storage(ctx caddy.Context) (storage, error) {
	if a.StoreRaw == nil {
		return new(MemoryStore), nil
	}
	loaded, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	module, ok := loaded.(storage)
	if !ok {
		return nil, fmt.Errorf("store: %T keeps nothing", loaded)
	}
	return module, nil
}

// word is the line of the store, as a Caddyfile has it.
func (a *App) word() string { return "store " + a.module.CaddyModule().ID.Name() }

// Start begins the self-test of the store. One that is down stops no start.
func (a *App) Start() error {
	if a.kept.examine == nil {
		return nil
	}
	var ctx context.Context
	ctx, a.end = context.WithCancel(context.Background())
	a.running.Go(func() { a.selfTest(ctx) })
	return nil
}

// Stop ends the self-test.
func (a *App) Stop() error {
	if a.end != nil {
		a.end()
		a.running.Wait()
	}
	return nil
}

// selfTest asks the store, once after the start, and says what will not work and the cure.
func (a *App) selfTest(ctx context.Context) {
	report, err := a.kept.examine(ctx)
	switch {
	case ctx.Err() != nil: // stopped in the middle of it
		return
	case err != nil:
		a.log.Error("self-test: the store will not work", faultFields(err)...)
		return
	}
	for _, f := range report.Findings {
		a.log.Warn("self-test: "+f.Text, zap.String("hint", f.Hint))
	}
	a.log.Info("self-test: the store answers", zap.String("version", report.Version))
}

// Cleanup gives the store back.
func (a *App) Cleanup() error {
	if a.metrics != nil {
		_, _ = sharedMetrics.Delete(metricsKey) // Destruct never fails
	}
	if a.release == nil {
		return nil
	}
	return a.release()
}

// Store is where what is counted, sessions and spent codes are kept.
func (a *App) Store() store.Store { return a.store }

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
