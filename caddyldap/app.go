// Package caddyldap is the records office: is it true, who is it, which
// groups. It is a Caddy app named ldap; each way to verify is a guest module
// under ldap.verifiers, one a file.
package caddyldap

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds the directories of the configuration, each under its NAME, and
// those that sites describe in their own short form.
type App struct {
	// The directories, by NAME.
	Directories map[string]*Directory `json:"directories,omitempty"`
	// Log takes the lines of all directories. Default: Caddy's own.
	Log *zap.Logger `json:"-"`

	mu      sync.Mutex
	adopted map[string]*Directory // by their JSON
	wanted  Wants                 // of all rules
	started bool
	stopped bool
	logger  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "ldap", New: func() caddy.Module { return new(App) }}
}

// Provision makes the directories ready. Nothing touches the network.
func (a *App) Provision(ctx caddy.Context) error {
	if a.logger = a.Log; a.logger == nil {
		a.logger = ctx.Logger()
	}
	a.adopted = make(map[string]*Directory)
	for _, name := range a.names() {
		d := a.Directories[name]
		if d == nil {
			return fmt.Errorf("ldap %s: nothing is configured; it needs a server line at least", name)
		}
		if err := d.provision(ctx, a.logger, name); err != nil {
			return fmt.Errorf("ldap %s: %w", name, err)
		}
		if err := a.oneSecret(d); err != nil {
			return fmt.Errorf("ldap %s: %w", name, err)
		}
	}
	return nil
}

// oneSecret refuses a machine account that two directories give different secrets:
// one password opens the channels that both use.
func (a *App) oneSecret(d *Directory) error {
	n := d.netlogon()
	if n == nil {
		return nil
	}
	for _, other := range a.all() {
		if o := other.netlogon(); o != nil && o.machine == n.machine && o.voice.text != n.voice.text {
			return fmt.Errorf("verify netlogon %s: another directory gives this account another secret; write one secret in both", n.Account)
		}
	}
	return nil
}

// Directory returns the directory of a NAME. Capitals make no difference.
func (a *App) Directory(name string) (*Directory, error) {
	if d, ok := a.Directories[name]; ok {
		return d, nil
	}
	for _, known := range a.names() {
		if strings.EqualFold(known, name) {
			return a.Directories[known], nil
		}
	}
	if len(a.Directories) == 0 {
		return nil, fmt.Errorf("no directory is named %s; write a global block ldap %s, with a line server ldaps://… in it", name, name)
	}
	return nil, fmt.Errorf("no directory is named %s; known: %s", name, strings.Join(a.names(), ", "))
}

// Adopt makes a directory of the short form ready and owns it from then on.
// Sites with the same configuration get the same Directory back, so that they
// share its connections and what a connection remembers.
func (a *App) Adopt(ctx caddy.Context, d *Directory) (*Directory, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.adopted[string(raw)]; ok {
		return known, nil
	}
	if err := d.provision(ctx, a.logger, ""); err != nil {
		return nil, err
	}
	if err := errors.Join(a.oneSecret(d), d.want(a.wanted)); err != nil {
		d.stop() // nobody else will
		return nil, err
	}
	a.adopted[string(raw)] = d
	if a.started && !a.stopped {
		d.start()
	}
	return d, nil
}

// Start begins the self-tests. A controller that is down stops no start. A rule
// with a role that no map gives does: one that stands alone in a route cannot be
// judged before, when directories in the short form may yet come.
func (a *App) Start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.all()
	if err := CheckRoles(a.wanted.Roles, all); err != nil {
		return err
	}
	a.started = true
	ruled := newRuledGroups(a.wanted.Groups, len(all), a.logger)
	for _, d := range all {
		d.ruled = ruled
		d.start()
	}
	return nil
}

// Stop ends what the directories do on their own and waits for it.
// Verifications under way end by their own deadlines, so that a reload cuts
// nobody off.
func (a *App) Stop() error {
	return a.Cleanup()
}

// Cleanup is Stop for an app that was never started.
func (a *App) Cleanup() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	for _, d := range a.all() {
		d.stop()
	}
	return nil
}

func (a *App) names() []string {
	return slices.Sorted(maps.Keys(a.Directories))
}

func (a *App) all() []*Directory {
	list := make([]*Directory, 0, len(a.Directories)+len(a.adopted))
	for _, name := range a.names() {
		if d := a.Directories[name]; d != nil {
			list = append(list, d)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.adopted)) {
		list = append(list, a.adopted[key])
	}
	return list
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
