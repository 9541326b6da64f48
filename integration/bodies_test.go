package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// application is a web application behind the site: it answers with the length
// and hash of each body, and counts the requests that reached it.
type application struct {
	URL      string
	mu       sync.Mutex
	requests []string
}

func serveApplication(t *testing.T) *application {
	t.Helper()
	a := new(application)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		line := fmt.Sprintf("%s %s %d %s %v", r.Method, r.Header.Get("X-User"), n, hex.EncodeToString(hash.Sum(nil)), err)
		a.mu.Lock()
		a.requests = append(a.requests, line+" "+r.Header.Get("Authorization"))
		a.mu.Unlock()
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, line)
	}))
	t.Cleanup(server.Close)
	a.URL = strings.TrimPrefix(server.URL, "http://")
	return a
}

// seen gives the requests since the last call.
func (a *application) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.requests
	a.requests = nil
	return seen
}

// bodySizes are those of the requests that must arrive whole.
var bodySizes = []int{0, 1 << 10, 400 << 10, 5 << 20}

// bodyLine is what the application answers to a POST of alice's with n bytes of
// pattern.
func bodyLine(n int) string {
	sum := sha256.Sum256(pattern(n))
	return fmt.Sprintf("POST alice %d %s <nil>", n, hex.EncodeToString(sum[:]))
}

// pattern is a body in which every place tells where it is.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

const forwardToApplication = `
	windows_auth EXAMPLE {
		insecure_basic
	}
	reverse_proxy %s {
		header_up X-User {http.auth.user.id}
	}
`

// TestBodiesByCurl: threats A-18. The body of the last message reaches the
// application whole, and nothing of the handshake does.
func TestBodiesByCurl(t *testing.T) {
	app := serveApplication(t)
	s := start(t, siteConfig{Body: fmt.Sprintf(forwardToApplication, app.URL)})
	for _, n := range bodySizes {
		file := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(file, pattern(n), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, args := range map[string][]string{
			"ntlm":                 {"--ntlm"},
			"ntlm, not negotiated": {"--anyauth"},
			"ntlm, expect":         {"--ntlm", "-H", "Expect: 100-continue"},
			"ntlm, no expect":      {"--anyauth", "-H", "Expect:"},
			"ntlm, chunked":        {"--anyauth", "-H", "Transfer-Encoding: chunked"},
			"basic":                {"--basic"},
		} {
			t.Run(fmt.Sprintf("%d %s", n, name), func(t *testing.T) {
				app.seen()
				got := curl(t, append(args, "-u", "alice:Secr3t-alice", "--data-binary", "@"+file, s.HTTP+"/")...)
				if got.Status != 200 || got.Body != bodyLine(n) {
					t.Errorf("got %d %s, want %s; reason %s", got.Status, got.Body, bodyLine(n), s.reason(t))
				}
				seen := app.seen()
				if len(seen) != 1 {
					t.Errorf("the application saw %q, want one request", seen)
				}
				for _, line := range seen {
					if !strings.HasSuffix(line, "<nil> ") {
						t.Errorf("the application saw the credentials: %s", line)
					}
				}
			})
		}
	}
}

// TestBodyOverTheCap: more than is thrown away for a handshake.
func TestBodyOverTheCap(t *testing.T) {
	app := serveApplication(t)
	s := start(t, siteConfig{Body: fmt.Sprintf(forwardToApplication, app.URL)})
	c := dial(t, s.HTTP)
	negotiate, _ := messages(t)
	status := c.postTooMuch(t, negotiate)
	if status != 413 || s.reason(t) != "body_cap" {
		t.Errorf("got %d, reason %s, want 413 and body_cap", status, s.reason(t))
	}
	if seen := app.seen(); len(seen) > 0 {
		t.Errorf("the application saw %q", seen)
	}
}
