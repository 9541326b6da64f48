package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBodiesOverHTTP2: a body in flight while its request is refused must not
// cost the client the answer (curl would report a reset stream, error 92), and
// a credential that comes with it is enough.
func TestBodiesOverHTTP2(t *testing.T) {
	app := serveApplication(t)
	s := start(t, siteConfig{Body: strings.Replace(fmt.Sprintf(forwardToApplication, app.URL), "insecure_basic", "insecure_basic\n\t\tthrottle off", 1)})
	for _, n := range bodySizes {
		file := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(file, pattern(n), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			args   []string
			status int
		}{
			"nobody":                {nil, 401},
			"nobody, expect":        {[]string{"-H", "Expect: 100-continue"}, 401},
			"wrong password":        {[]string{"--basic", "-u", "alice:wrong"}, 401},
			"basic":                 {[]string{"--basic", "-u", "alice:Secr3t-alice"}, 200},
			"ntlm falls back":       {[]string{"--ntlm", "-u", "alice:Secr3t-alice"}, 200},
			"whatever is on offer":  {[]string{"--anyauth", "-u", "alice:Secr3t-alice"}, 200},
			"with chunks of no end": {[]string{"-H", "Transfer-Encoding: chunked", "--basic", "-u", "alice:Secr3t-alice"}, 200},
		} {
			t.Run(fmt.Sprintf("%d %s", n, name), func(t *testing.T) {
				for range 3 { // a reset is a race
					app.seen()
					got := curl(t, append(c.args, "--http2", "--data-binary", "@"+file, s.HTTPS+"/")...)
					if got.Status != c.status || c.status == 401 && len(got.Challenges) != 2 || c.status == 200 && got.Body != bodyLine(n) {
						t.Errorf("got %d %v %.80s, want %d", got.Status, got.Challenges, got.Body, c.status)
					}
					if seen := app.seen(); c.status == 401 && len(seen) > 0 || c.status == 200 && len(seen) != 1 {
						t.Errorf("the application saw %q", seen)
					}
				}
			})
		}
	}
	if err := domain.Unlock("alice"); err != nil {
		t.Error(err)
	}
}
