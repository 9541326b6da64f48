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
