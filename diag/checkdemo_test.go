package diag

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// TestCheckConfigOfTheDemo: the demo's own directory is one of which all can be looked at.
func TestCheckConfigOfTheDemo(t *testing.T) {
	directory, err := demodir.Start(demodir.Demo())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := directory.Close(); err != nil {
			t.Error(err)
		}
	}()
	config := filepath.Join(t.TempDir(), "caddy.json")
	text := fmt.Sprintf(`{"apps": {"ldap": {"directories": {"EXAMPLE": {"server": [{"url": %q}], "base_dn": ["DC=example,DC=test"], "tls": {"insecure_skip_verify": true},
		"service_account": {"mechanism": "simple", "name": "EXAMPLE\\svc-web", "secret": "Secr3t-svc-web"}}}},
		"http": {"servers": {"srv0": {"listen": [":443"], "routes": [{"handle": [{"handler": "windows_auth", "directories": ["EXAMPLE"], "session": {}, "totp": {"attribute": %q}}]}]}}}}}`,
		directory.LDAPS(), demodir.DemoFactorAttribute)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = (&configCheck{out: &out}).run(t.Context(), config)
	for _, want := range []string{
		"ok       access   neither its owner nor other users may read or write unixUserPassword",
		"ok       access   the service account may read unixUserPassword",
		"throttle stops whoever guesses here", "ok       site     :443: ", "all that could be looked at will work; caddy validate",
	} {
		if err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("got %v and\n%s\nwant %q", err, out.String(), want)
		}
	}
}
