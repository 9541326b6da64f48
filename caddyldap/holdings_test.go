package caddyldap

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// reloads are configurations, one after the other, as Caddy takes them: the new
// one starts before the old one stops.
type reloads struct {
	t      *testing.T
	app    *App
	cancel context.CancelFunc
	logs   *observer.ObservedLogs
}

func (r *reloads) load(change func(*Directory), s *demodir.Server, wanted ...Wants) *Directory {
	r.t.Helper()
	config := demoDirectory(s)
	config.TLS = &TLS{InsecureSkipVerify: true}
	if change != nil {
		change(config)
	}
	core, logs := observer.New(zap.DebugLevel)
	app := &App{Directories: map[string]*Directory{"EXAMPLE": config}, Log: zap.New(core)}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	if err := app.Provision(ctx); err != nil {
		r.t.Fatal(err)
	}
	for _, w := range wanted {
		if err := app.Want(w); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := app.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.end()
	r.app, r.cancel, r.logs = app, cancel, logs
	return config
}

func (r *reloads) end() {
	if r.app == nil {
		return
	}
	for range 2 { // Caddy stops an app and cleans it up
		if err := r.app.Stop(); err != nil {
			r.t.Error(err)
		}
	}
	r.cancel()
	r.app = nil
}

// kept is how many holdings there are in the process.
func kept() int { return len(shelved.All()) }

func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// TestReloadKeeps: an unchanged directory keeps connections and identities over
// 20 reloads, and nothing is left behind.
func TestReloadKeeps(t *testing.T) {
	s := startDemo(t, nil)
	before := descriptors(t)
	r := &reloads{t: t}
	t.Cleanup(r.end)
	one := func(d *Directory) { d.Pool = &Pool{Size: 1} } // the self-tests ask too
	d := r.load(one, s)
	carol := mustLogIn(t, d, "carol")
	var bound *conn
	first := func(c *conn, _ rootDSE) error { bound = c; return nil }
	if err := d.service.do(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	was := bound
	for range 20 {
		d = r.load(one, s)
		if err := d.service.do(t.Context(), first); err != nil || bound != was {
			t.Fatalf("another connection serves, %v", err)
		}
		if mustLogIn(t, d, "carol") != carol {
			t.Fatal("the identity is looked up again")
		}
	}
	d.servers.failed(d.servers.list[0], identity.Fail(identity.KindUnavailable, nil))
	if r.logs.FilterMessage("server put aside").Len() != 1 {
		t.Error("the log line about a server went to a configuration that is gone")
	}
	r.end()
	await(t, "no connection", func() bool { return s.Connections() == 0 })
	await(t, "no descriptor more than before", func() bool { return descriptors(t) <= before })
	if n := kept(); n != 0 {
		t.Errorf("got %d holdings left, want 0", n)
	}
}

// TestReloadStartsEmpty: whatever changes in a directory, nothing of the old one
// is used for the new one.
func TestReloadStartsEmpty(t *testing.T) {
	dir := t.TempDir()
	s := startDemo(t, nil)
	other := startDemo(t, nil)
	ca := filepath.Join(dir, "ca.pem")
	write := func(pem []byte) {
		t.Helper()
		if err := os.WriteFile(ca, pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(s.CAPEM())
	trusting := func(d *Directory) { d.TLS = &TLS{TrustPoolRaw: caddyJSON(t, ca)} }
	for name, change := range map[string]func(*Directory){
		"server":    func(d *Directory) { d.Server[0].URL = other.LDAPS() },
		"base":      func(d *Directory) { d.BaseDN = []string{s.BaseDN()} },
		"secret":    func(d *Directory) { d.ServiceAccount.Secret = "another" },
		"account":   func(d *Directory) { d.ServiceAccount.Name = `EXAMPLE\alice` },
		"nobody":    func(d *Directory) { d.ServiceAccount = nil },
		"filter":    func(d *Directory) { d.User = &User{Filter: "(mail=*)"} },
		"cache":     func(d *Directory) { d.Cache = &Cache{Size: 7} },
		"pool":      func(d *Directory) { d.Pool = &Pool{Size: 7} },
		"map":       func(d *Directory) { d.Map = &Map{Fallback: []string{"reader"}} },
		"trust":     trusting,
		"short URL": func(d *Directory) { d.Server[0].URL = s.LDAPS() + "/" },
	} {
		t.Run(name, func(t *testing.T) {
			r := &reloads{t: t}
			before := r.load(nil, s).holdings
			if r.load(change, s).holdings == before {
				t.Error("the old holdings are used")
			}
			r.end()
		})
	}
	t.Run("anchors under the same name", func(t *testing.T) {
		r := &reloads{t: t}
		before := r.load(trusting, s).holdings
		write(other.CAPEM())
		after := r.load(trusting, s)
		if after.holdings == before {
			t.Error("connections that the old authority vouched for are used")
		}
		if r.load(trusting, s).holdings != after.holdings {
			t.Error("the new ones are not kept")
		}
		r.end()
	})
	if n := kept(); n != 0 {
		t.Errorf("got %d holdings left, want 0", n)
	}
}

func caddyJSON(t *testing.T, file string) []byte {
	t.Helper()
	return []byte(`{"provider":"file","pem_files":["` + file + `"]}`)
}

// TestReloadReadsWhatIsWanted: what a new rule asks about is not in the
// identities of the old configuration.
func TestReloadReadsWhatIsWanted(t *testing.T) {
	s := startDemo(t, func(cfg *demodir.Config) {
		cfg.Users[0].Attributes = map[string][]string{"employeeType": {"manager"}}
	})
	name := s.Users()[0].Name
	r := &reloads{t: t}
	defer r.end()
	if id := mustLogIn(t, r.load(nil, s), name); id.Details != nil {
		t.Fatalf("got %v, want nothing more than the names", id.Details)
	}
	old := mustLogIn(t, r.load(nil, s, Wants{Attributes: []string{"employeeType"}}), name)
	if old.Details == nil || len(old.Details.Attributes) == 0 {
		t.Errorf("got %v, want employeeType", old.Details)
	}
	const filter, other = "(employeeType=manager)", "(employeeType=worker)"
	d := r.load(nil, s, Wants{Attributes: []string{"EMPLOYEETYPE"}, Filters: []string{filter, other}})
	refreshed, err := d.Refresh(t.Context(), old) // a moment old, as a connection remembers it
	if err != nil || refreshed.Fits(filter) != identity.FitYes || refreshed.Fits(other) != identity.FitNo {
		t.Fatalf("refreshed: got %v, %v, want the answers about both filters", refreshed, err)
	}
	d = r.load(nil, s, Wants{Filters: []string{filter}})
	id := mustLogIn(t, d, name)
	if id == refreshed || id.Fits(filter) != identity.FitYes {
		t.Errorf("at a log-in: got %v, want the answer about the filter", id.Details)
	}
	// The rules of the sites come in any order, and ask the same.
	d = r.load(nil, s, Wants{Filters: []string{other}}, Wants{Filters: []string{filter}}, Wants{Attributes: []string{"employeetype"}})
	if mustLogIn(t, d, name) != refreshed {
		t.Error("what is known of all that the rules ask is looked up again")
	}
}

// TestRefusedConfigurationLeavesNothing: one that does not load must not end
// what the running one holds.
func TestRefusedConfigurationLeavesNothing(t *testing.T) {
	s := startDemo(t, nil)
	r := &reloads{t: t}
	defer r.end()
	d := r.load(nil, s)
	same := demoDirectory(s)
	same.TLS = &TLS{InsecureSkipVerify: true}
	app := &App{Directories: map[string]*Directory{"EXAMPLE": same, "ZERO": {}}, Log: zap.NewNop()}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	if app.Provision(ctx) == nil {
		t.Fatal("a directory without servers loads")
	}
	if err := app.Cleanup(); err != nil {
		t.Error(err)
	}
	if _, err := d.Refresh(t.Context(), mustLogIn(t, d, "carol")); err != nil {
		t.Errorf("the running configuration: %v", err)
	}
	if n := kept(); n != 1 {
		t.Errorf("got %d holdings, want 1", n)
	}
}
