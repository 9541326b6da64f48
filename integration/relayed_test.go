package integration

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestRelayedLogIn: a server in between, which the client takes for one of its own
// organisation, passes its log-in on to the site. Where the site holds log-ins to
// their connection that opens nothing; where it does not it does, which shows that the
// server in between does its work. Tickets of Chromium on Linux name no connection, and
// only a site that requires one is safe with them.
func TestRelayedLogIn(t *testing.T) {
	env := ticketsOf(t, "alice", "")
	clients := map[string]func(*testing.T, string){
		"NTLM of Chromium":       func(t *testing.T, url string) { visitAny(browser(t, `EXAMPLE\alice`, "Secr3t-alice", 2), url) },
		"a ticket of Chromium":   func(t *testing.T, url string) { visitAny(ticketBrowser(t, env), url) },
		"a ticket that is bound": func(t *testing.T, url string) { initiator(t, env, url, "bound") },
	}
	for _, c := range []struct {
		client, word string
		in           bool
	}{
		{"NTLM of Chromium", "off", true},
		{"NTLM of Chromium", "allow", false},
		{"NTLM of Chromium", "require", false},
		{"a ticket of Chromium", "off", true},
		{"a ticket of Chromium", "require", false},
		{"a ticket that is bound", "off", true},
		{"a ticket that is bound", "allow", false},
		{"a ticket that is bound", "require", false},
	} {
		t.Run(c.client+", "+c.word, func(t *testing.T) {
			config := siteConfig{Body: strings.Replace(whoami, "insecure_basic", "insecure_basic\n\t\textended_protection "+c.word, 1)}
			if !strings.HasPrefix(c.client, "NTLM") {
				config.LDAP = kerberosWords()
			}
			s := start(t, config)
			stolen := between(t, s.HTTPS)
			clients[c.client](t, stolen.url)
			if got := stolen.page(); strings.Contains(got, "alice") != c.in || !c.in && s.reason(t) != "epa" || !stolen.passed() {
				t.Errorf("the server in between got %q, reason %s, want somebody let in: %v", got, s.reason(t), c.in)
			}
		})
	}
}

// thief is a server in between that passes the Authorization of its visitors on, on a
// connection of its own for each of theirs.
type thief struct {
	url string
	mu  sync.Mutex
	won string // the page that it was shown in their name
	n   int    // credentials passed on
}

func between(t *testing.T, target string) *thief {
	t.Helper()
	stolen := new(thief)
	var clients sync.Map // by the visitor's address
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made, _ := clients.LoadOrStore(r.RemoteAddr, speaks(t, 1))
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, target+"/", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if authorization := r.Header.Get("Authorization"); authorization != "" && !strings.HasPrefix(authorization, "Basic") {
			request.Header.Set("Authorization", authorization)
		}
		got, err := made.(*http.Client).Do(request)
		if err != nil {
			return // the visitor is gone
		}
		defer got.Body.Close()
		page := bodyOf(t, got)
		stolen.mu.Lock()
		if request.Header.Get("Authorization") != "" {
			stolen.n++
		}
		if got.StatusCode == 200 {
			stolen.won = page
		}
		stolen.mu.Unlock()
		for _, line := range got.Header.Values("WWW-Authenticate") {
			if !strings.HasPrefix(line, "Basic") {
				w.Header().Add("WWW-Authenticate", line)
			}
		}
		w.WriteHeader(got.StatusCode)
	}))
	t.Cleanup(server.Close)
	stolen.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return stolen
}

func (s *thief) page() string { s.mu.Lock(); defer s.mu.Unlock(); return s.won }
func (s *thief) passed() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.n > 0 }

// visitAny visits a page, whatever becomes of it.
func visitAny(ctx context.Context, url string) {
	_, _ = chromedp.RunResponse(ctx, chromedp.Navigate(url))
}
