package diag

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// askSite runs check-site against a handler, under a name that is not this
// machine's where it is foreign.
func askSite(t *testing.T, check *siteCheck, address string) (said string, err error) {
	t.Helper()
	var out strings.Builder
	err = check.run(t.Context(), address, strings.NewReader("Secr3t-x\n"), &out, &out)
	_ = report(&out, err)
	return out.String(), err
}

// TestCheckSiteKeepsThePassword: it goes to the site named, over TLS, in the leg
// that is for it, and is never shown.
func TestCheckSiteKeepsThePassword(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		want    string
	}{
		"in the URL":            {"http://alice:Secr3t-x@127.0.0.1:1/", "a name or password in the URL is not used"},
		"in a URL of no scheme": {"ftp://alice:Secr3t-x@127.0.0.1:1/", "a name or password in the URL is not used"},
		"in what is no URL":     {"http://alice:Secr3t-x@%zz/", "a name or password in the URL is not used"},
		"an @ in the path":      {"http://127.0.0.1:1/@alice", "connection refused"},
	} {
		if said, err := askSite(t, &siteCheck{user: "alice"}, c.address); err == nil || strings.Contains(said, "Secr3t") || !strings.Contains(said, c.want) {
			t.Errorf("%s: got %q, want %q and no password", name, said, c.want)
		}
	}
	if said, err := (&explanation{site: "http://alice:Secr3t-x@intranet.example.com", path: "/"}).target(); err == nil || strings.Contains(err.Error(), "Secr3t") {
		t.Errorf("explain: got %v, %v, want an error without the password", said, err)
	}
}

// TestInTheClear: where Basic goes unasked.
func TestInTheClear(t *testing.T) {
	for address, want := range map[string]bool{
		"http://intranet.example.com/": true, "http://192.0.2.1/": true, "http://127.0.0.1.example.com/": true, "http://localhost.example.com/": true,
		"https://intranet.example.com/": false, "http://127.0.0.1:8080/": false, "http://[::1]/": false, "http://localhost/": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := inTheClear(u); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
}

// TestBasicInTheClear is not sent to another machine, unless --insecure says so.
func TestBasicInTheClear(t *testing.T) {
	var credentials atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			credentials.Add(1)
		}
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer site.Close()
	u, _ := url.Parse(site.URL)
	u.Host = "0.0.0.0:" + u.Port() // this machine by an address that is not of loopback
	said, err := askSite(t, &siteCheck{user: "alice"}, u.String())
	if exitCode(err) != exitUnknown || !strings.Contains(said, "in the clear") || credentials.Load() != 0 {
		t.Errorf("got %q and %d credentials, want a refusal and none", said, credentials.Load())
	}
	said, err = askSite(t, &siteCheck{user: "alice", insecure: true}, u.String())
	if exitCode(err) != exitNo || credentials.Load() != 1 {
		t.Errorf("--insecure: got %q and %d credentials, want one that is refused", said, credentials.Load())
	}
}

// TestCheckSiteSentOn: a redirect is no page, and nothing goes where it leads.
func TestCheckSiteSentOn(t *testing.T) {
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer other.Close()
	site := httptest.NewServer(http.RedirectHandler(other.URL+"/there", http.StatusPermanentRedirect))
	defer site.Close()
	said, err := askSite(t, &siteCheck{user: "alice"}, site.URL)
	if err == nil || exitCode(err) != exitUnknown || !strings.Contains(said, other.URL+"/there") || reached.Load() {
		t.Errorf("got %q, %v, reached %v, want to be told of the redirect and not to follow it", said, err, reached.Load())
	}
}

// TestCheckSiteThrottled: a 429 is told as what it is, and for how long.
func TestCheckSiteThrottled(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("Www-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Retry-After", "4")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer site.Close()
	check := &siteCheck{}
	check.user = "alice"
	said, err := askSite(t, check, site.URL+"/")
	if err == nil || !strings.Contains(said, "too many wrong passwords before") || !strings.Contains(said, "4 seconds from now") {
		t.Errorf("got %v, said\n%s", err, said)
	}
}
