package diag

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// TestCheckConfigOfTheDemo: the demo's own directory is one of which all can be looked at.
func TestCheckConfigOfTheDemo(t *testing.T) {
	config := demoSite(t, fmt.Sprintf(`{"handle": [{"handler": "windows_auth", "directories": ["EXAMPLE"], "session": {}, "totp": {"attribute": %q}}]}`, demodir.DemoFactorAttribute))
	var out strings.Builder
	err := (&configCheck{out: &out}).run(t.Context(), config)
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
