package caddyntlm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// TestPageOfAPartOfASite: a require further in says the same to a browser, and its own
// to a program; a site with error pages shows those.
func TestPageOfAPartOfASite(t *testing.T) {
	rule, err := policy.Compile(policy.Rule{User: []string{"bob"}})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(d *door) {
		d.inner = []caddyhttp.MiddlewareHandler{&Require{rule: rule, log: zap.NewNop()}}
	})
	p := s.person()
	p.logIn(p.get("/"), "alice", "secret-a")
	got := p.get("/hr")
	got.wantPage(t, 403, "No access", "")
	if !strings.Contains(got.text, "The alice") || !strings.Contains(got.text, `href="/.auth/login"`) {
		t.Errorf("got %s, want who it is and another log-in", got.text)
	}
	p.headers = map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "application/json"}
	if got := p.get("/hr"); got.StatusCode != 403 || got.text != "" {
		t.Errorf("got %d %s for a script, want 403 alone", got.StatusCode, got.text)
	}
	s.Handler.server = &caddyhttp.Server{Errors: &caddyhttp.HTTPErrorConfig{Routes: make(caddyhttp.RouteList, 1)}}
	p.headers = map[string]string{}
	if got := p.get("/hr"); got.StatusCode != 403 || got.text != "" {
		t.Errorf("got %d %s beside error pages, want them to be asked", got.StatusCode, got.text)
	}
}

func TestLogInNeedsTLS(t *testing.T) {
	s := newSite(t, nil)
	plain := httptest.NewServer(s.handler())
	t.Cleanup(plain.Close)
	s.base = plain.URL
	p := s.person()
	for _, path := range []string{"/", "/.auth/login", "/.auth/logout", "/.auth/whoami"} {
		if got := p.get(path); got.StatusCode != 401 || strings.Contains(got.text, "<form") {
			t.Errorf("%s: got %d %s, want 401 and no form", path, got.StatusCode, got.text)
		}
	}
	if got := p.post("/.auth/login", url.Values{"name": {"alice"}, "password": {"secret-a"}}); got.StatusCode != 401 {
		t.Errorf("got %d %s, want 401", got.StatusCode, got.text)
	}
	if asked := s.dir.asked.Load(); asked != 0 {
		t.Errorf("got %d questions to a controller, want none", asked)
	}
}

// TestPathAsTheBrowserSeesIt: what handle_path or rewrite made of a path does not matter.
func TestPathAsTheBrowserSeesIt(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "https://site.example.com/app/page?x=1", nil)
	original := *r
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, original))
	changed := *r.URL
	r.URL = &changed
	r.URL.Path, r.URL.RawQuery = "/page", ""
	if got := asked(r).URL.RequestURI(); got != "/app/page?x=1" {
		t.Errorf("got %s, want /app/page?x=1", got)
	}
	if got := asked(httptest.NewRequest(http.MethodGet, "/page", nil)).URL.Path; got != "/page" {
		t.Errorf("got %s, want /page", got)
	}
}

func TestOtherPathAndRedirect(t *testing.T) {
	s := newSite(t, func(d *door) { d.Login.Path, d.Login.Redirect = "/app/auth", "/start?tab=1" })
	p := s.person()
	fields := p.get("/app/auth/login").fields(t)
	fields.Set("name", "alice")
	fields.Set("password", "secret-a")
	if got := p.post("/app/auth/login", fields); got.StatusCode != 303 || got.Header.Get("Location") != "/start?tab=1" {
		t.Errorf("got %d %q, want 303 to /start?tab=1", got.StatusCode, got.Header.Get("Location"))
	}
	// A form that was sent when its session was over leads there too: its answer is lost.
	if got := s.person().post("/order", url.Values{"a": {"b"}}); got.StatusCode != 401 || got.fields(t).Get("next") != "" {
		t.Errorf("got %d %s, want the page without a target", got.StatusCode, got.text)
	}
	p.get("/.auth/login").wantUser(t, "alice") // the application's own
}

func TestPageOfOnesOwn(t *testing.T) {
	file := filepath.Join("..", "integration", "adapt", "login.html")
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(d *door) { d.Login.Page = file })
	got := s.person().get("/")
	if got.StatusCode != 401 || !strings.Contains(got.text, "font-family: serif") || !strings.Contains(got.Header.Get("Content-Security-Policy"), "img-src 'self'") {
		t.Errorf("got %d %s", got.StatusCode, got.text)
	}
	if got.fields(t).Get("next") != "/" {
		t.Errorf("got %v", got.fields(t))
	}
}

func TestCheckLogin(t *testing.T) {
	for _, good := range []Login{{}, {Path: "/auth"}, {Path: "/a/b"}, {Redirect: "/x?y=1#z"}, {SSO: "all"}} {
		if err := CheckLogin(&good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []Login{
		{Path: "auth"}, {Path: "/"}, {Path: "/a/"}, {Path: "//a"}, {Path: "/a/../b"}, {Path: "/a?b"}, {Path: "/a b"}, {Path: "/a%20"}, {Path: "/ä"},
		{Redirect: "//evil.example.com"}, {Redirect: "https://evil.example.com"}, {Redirect: "/.auth/login"}, {Redirect: "x"}, {SSO: "ntlm"},
	} {
		if err := CheckLogin(&bad); err == nil || !strings.HasPrefix(err.Error(), "login: ") {
			t.Errorf("%+v: got %v, want an error", bad, err)
		}
	}
}
