package integration

import (
	"fmt"
	"strings"
	"testing"
)

// TestPreflight: threats A-17. A CORS preflight reaches the application, and no
// name with it, through every rule; nothing else does.
func TestPreflight(t *testing.T) {
	app := serveApplication(t)
	const body = `
	windows_auth EXAMPLE {
		insecure_basic
		require user alice
%s	}
	require group HR
	reverse_proxy %s {
		header_up X-User {http.auth.user.id}
	}
`
	preflight := []string{"-X", "OPTIONS", "-H", "Origin: https://app.example.org", "-H", "Access-Control-Request-Method: PUT"}
	for words, want := range map[string]int{"": 401, "\t\tallow_preflight\n": 200} {
		s := start(t, siteConfig{Body: fmt.Sprintf(body, words, app.URL)})
		for _, base := range []string{s.HTTP, s.HTTPS} { // HTTPS is HTTP/2
			got := curl(t, append(preflight, base+"/")...)
			if got.Status != want || want == 200 && !strings.HasPrefix(got.Body, "OPTIONS  0 ") {
				t.Errorf("%q: got %d %q, want %d and no name", words, got.Status, got.Body, want)
			}
			for name, args := range map[string][]string{
				"no Origin": {"-X", "OPTIONS", "-H", "Access-Control-Request-Method: PUT"},
				"PUT":       {"-X", "PUT", "-H", "Origin: https://app.example.org", "-H", "Access-Control-Request-Method: PUT"},
				"body":      append([]string{"-d", "text", "--http1.1"}, preflight...),
			} {
				if got := curl(t, append(args, base+"/")...); got.Status != 401 {
					t.Errorf("%q, %s: got %d %q, want 401", words, name, got.Status, got.Body)
				}
			}
		}
	}
	for _, line := range app.seen() {
		if !strings.HasPrefix(line, "OPTIONS  0 ") {
			t.Errorf("the application saw %q", line)
		}
	}
}
