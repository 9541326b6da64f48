package diag

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// source says which directory a command asks: an address, or one of a
// configuration.
type source struct {
	address  string
	ca       string
	insecure bool
	config   string
	name     string
}

const sourceHint = "give --address ldaps://dc1.example.com, or --config with the file that Caddy uses"

// open makes the directory ready. It must be closed by the function returned.
func (s *source) open(ctx context.Context) (*caddyldap.Directory, func(), error) {
	if (s.address == "") == (s.config == "") {
		return nil, nil, &advice{fmt.Errorf("which directory?"), sourceHint}
	}
	inside, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	app := &caddyldap.App{Log: zap.NewNop()} // what goes wrong is the command's own error
	d, err := s.find(inside, app)
	done := func() {
		_ = app.Cleanup()
		cancel()
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return d, done, nil
}

func (s *source) find(ctx caddy.Context, app *caddyldap.App) (*caddyldap.Directory, error) {
	if s.address != "" {
		if err := app.Provision(ctx); err != nil {
			return nil, err
		}
		one, err := s.single()
		if err != nil {
			return nil, err
		}
		return app.Adopt(ctx, one)
	}
	document, err := readConfig(s.config, "")
	if err != nil {
		return nil, err
	}
	named, own, err := directoriesOf(document)
	if err != nil {
		return nil, err
	}
	app.Directories = named
	if err := app.Provision(ctx); err != nil {
		return nil, err
	}
	return s.choose(ctx, app, own)
}

// choose takes the directory named, else the only one.
func (s *source) choose(ctx caddy.Context, app *caddyldap.App, own []*caddyldap.Directory) (*caddyldap.Directory, error) {
	if s.name != "" {
		return app.Directory(s.name)
	}
	switch total := len(app.Directories) + len(own); {
	case total == 0:
		return nil, &advice{fmt.Errorf("%s has no ldap block and no windows_auth with servers", s.config), sourceHint}
	case total > 1:
		return nil, &advice{fmt.Errorf("%s has %d directories", s.config, total), s.choice(app)}
	case len(own) == 1:
		return app.Adopt(ctx, own[0])
	}
	for name := range app.Directories {
		return app.Directory(name)
	}
	return nil, nil // not reached
}

// choice says how one of several directories is named. Those that sites describe
// themselves have no NAME.
func (s *source) choice(app *caddyldap.App) string {
	names := slices.Sorted(maps.Keys(app.Directories))
	if len(names) == 0 {
		return "sites describe them, without NAMEs: give --address and --ca instead of --config"
	}
	return "choose one by its NAME: --directory " + strings.Join(names, " or ")
}

// single is the directory of an address.
func (s *source) single() (*caddyldap.Directory, error) {
	d := &caddyldap.Directory{Server: []caddyldap.Server{{URL: s.address}}}
	if u, err := caddyldap.ParseServer(s.address); err == nil && !u.TLS {
		d.StartTLS = true // the password must not travel in the clear
	}
	switch {
	case s.insecure:
		d.TLS = &caddyldap.TLS{InsecureSkipVerify: true}
	case s.ca != "":
		pool, err := json.Marshal(map[string]any{"provider": "file", "pem_files": []string{s.ca}})
		if err != nil {
			return nil, err
		}
		d.TLS = &caddyldap.TLS{TrustPoolRaw: pool}
	}
	return d, nil
}

// readConfig reads a configuration as Caddy does: JSON as it stands, anything
// else by an adapter, which is the Caddyfile's unless another one is named.
func readConfig(path, adapter string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &advice{err, "name the file that Caddy uses, and run this as a user who may read it"}
	}
	if adapter == "json" || adapter == "" && filepath.Ext(path) == ".json" {
		if !json.Valid(text) {
			return nil, &advice{fmt.Errorf("%s is no JSON", path), "name the file that Caddy uses; a Caddyfile needs no --adapter, and a name that does not end in .json"}
		}
		return text, nil
	}
	if adapter == "" {
		adapter = "caddyfile"
	}
	known := caddyconfig.GetAdapter(adapter)
	if known == nil {
		return nil, &advice{fmt.Errorf("there is no adapter %s", adapter), "caddy list-modules shows those built in, as caddy.adapters; JSON needs none"}
	}
	document, _, err := known.Adapt(text, map[string]any{"filename": path})
	if err != nil {
		return nil, &advice{err, "caddy validate --config " + path + " reads it as Caddy will"}
	}
	return document, nil
}

// directoriesOf finds the directories of a configuration: those of ldap blocks
// by their NAMEs, and those that sites describe themselves, each once.
func directoriesOf(document []byte) (named map[string]*caddyldap.Directory, own []*caddyldap.Directory, err error) {
	var config struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(document, &config); err != nil {
		return nil, nil, err
	}
	var app struct {
		Directories map[string]*caddyldap.Directory `json:"directories"`
	}
	if raw := config.Apps["ldap"]; raw != nil {
		if err := json.Unmarshal(raw, &app); err != nil {
			return nil, nil, fmt.Errorf("the ldap app: %w", err)
		}
	}
	var seen []string
	err = caddyntlm.EachHandler(config.Apps["http"], func(handler string, raw []byte) error {
		var h struct {
			Directory json.RawMessage `json:"directory"`
		}
		if handler != handlerDoor {
			return nil
		}
		if err := json.Unmarshal(raw, &h); err != nil || h.Directory == nil || slices.Contains(seen, string(h.Directory)) {
			return err
		}
		seen = append(seen, string(h.Directory))
		d := new(caddyldap.Directory)
		own = append(own, d)
		return json.Unmarshal(h.Directory, d)
	})
	return app.Directories, own, err
}

// splitGroups reads what --groups holds: names with commas between them, as they
// were written for PyAuthenNTLM2, or one distinguished name.
func splitGroups(lists []string) []string {
	var groups []string
	for _, list := range lists {
		if strings.Contains(list, "=") {
			groups = append(groups, strings.TrimSpace(list))
			continue
		}
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				groups = append(groups, name)
			}
		}
	}
	return groups
}
