package caddyntlm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestRolesOfARequire: a rule alone in a route is judged by all directories of the
// configuration, that one of a later route too, and when it starts.
func TestRolesOfARequire(t *testing.T) {
	// The first handler may be anything, also what identifies somebody.
	const lone = `{"handle": [{"handler": "test_tell_all"}, {"handler": "require", "rule": {"all": [{"valid_user": true}, {"none": [{"role": ["staff"]}]}]}}]}`
	short := `{"handle": [{"handler": "windows_auth", "directory": {"server": [{"url": "ldaps://127.0.0.1:1"}], "map": {"fallback": [%q]}}}]}`
	for role, want := range map[string]string{"staff": "", "stuff": "require role staff: no map of 127.0.0.1 gives the role staff"} {
		err := caddy.Load(routesConfig(t, "", lone+","+fmt.Sprintf(short, role)), true)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", role, err, want)
		}
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestRolesInForce: caddy validate finds a role that no directory gives whose users
// can come to the require, and only where that is certain.
func TestRolesInForce(t *testing.T) {
	const (
		require = `{"handler": "require", "rule": {"all": [{"valid_user": true}, {"none": [{"role": ["staff"]}]}]}}`
		host    = `{"match": [{"host": ["other.example.com"]}], "terminal": true, "handle": [`
		refused = "require role staff: no map of 127.0.0.1 gives the role staff"
	)
	door := func(role string) string {
		return fmt.Sprintf(`{"handler": "windows_auth", "directory": {"server": [{"url": "ldaps://127.0.0.1:1"}], "map": {"fallback": [%q]}}}`, role)
	}
	inner := func(handlers string) string {
		return `{"handler": "subroute", "routes": [{"handle": [` + handlers + `]}]}`
	}
	for name, c := range map[string]struct{ routes, want string }{
		"beside it":                    {`{"handle": [` + door("stuff") + `, ` + require + `]}`, refused},
		"beside it, and gives it":      {`{"handle": [` + door("Staff") + `, ` + require + `]}`, ""},
		"in a route before":            {`{"handle": [` + door("stuff") + `]}, {"handle": [` + require + `]}`, refused},
		"deeper, before":               {`{"handle": [` + inner(door("stuff")) + `]}, {"handle": [` + inner(require) + `]}`, refused},
		"deeper, and gives it":         {`{"handle": [` + inner(door("staff")) + `]}, {"handle": [` + inner(require) + `]}`, ""},
		"one of two gives it":          {`{"handle": [` + door("staff") + `]}, {"handle": [` + door("stuff") + `, ` + require + `]}`, ""},
		"on another site it is given":  {host + door("staff") + `]}, {"handle": [` + door("stuff") + `, ` + require + `]}`, refused},
		"on another site it is not":    {host + door("stuff") + `]}, {"handle": [` + door("staff") + `, ` + require + `]}`, ""},
		"beside a plugin":              {`{"handle": [{"handler": "test_tell_all"}, ` + door("stuff") + `, ` + require + `]}`, ""},
		"behind a plugin":              {`{"handle": [{"handler": "test_tell_all"}]}, {"handle": [` + door("stuff") + `, ` + require + `]}`, ""},
		"behind what a proxy may hold": {`{"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": "127.0.0.1:9"}]}]}, {"handle": [` + door("stuff") + `, ` + require + `]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var config caddy.Config
			if err := caddy.StrictUnmarshalJSON(routesConfig(t, "", c.routes), &config); err != nil {
				t.Fatal(err)
			}
			err := caddy.Validate(&config)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
