package caddyntlm

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(new(tellAll)) }

// tellAll answers with whatever tells the application of a user, a path or a
// method.
type tellAll struct{}

func (*tellAll) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_tell_all", New: func() caddy.Module { return new(tellAll) }}
}

func (*tellAll) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	var other []string
	for name := range r.Header {
		if overrides.has(name) {
			other = append(other, name)
		}
	}
	// ReplaceKnown, as header_up has it: an unknown placeholder would stay.
	_, err := fmt.Fprintf(w, "id=%s header=%v authorization=%v other=%v",
		repl.ReplaceKnown("{http.auth.user.id}", ""), r.Header["X-Remote-User"], r.Header["Authorization"], other)
	return err
}

// loadBypassing runs a site with bypass, a require behind it, and an
// application that tells whom it sees.
func loadBypassing(t *testing.T, extra, bypass string) *caddyDoor {
	t.Helper()
	config := strings.Replace(caddyRoutes, `"require": {"user": ["alice"]}}`,
		`"forward": [{"header": "X-Remote-User", "value": "{http.auth.user.id}"}], "bypass": `+bypass+`},
			{"handler": "require", "rule": {"user": ["alice"]}}`, 1)
	config = strings.Replace(config, "test_tell_name", "test_tell_all", 1)
	return loadRoutes(t, extra, config)
}

const (
	nobodyThere = "id= header=[] authorization=[] other=[]"
	aliceThere  = "id=alice header=[alice] authorization=[] other=[]"
)

// a path passes only where every server reads it alike; everything else
// has to log in.
func TestBypassByPath(t *testing.T) {
	d := loadBypassing(t, "", `[{"path": ["/health", "/static/*", "/api/v1"]}]`)
	for path, passes := range map[string]bool{
		"/health":                          true,
		"/health?x=/../admin":              true,
		"/HEALTH":                          true, // Caddy's matchers know no capitals
		"/%68ealth":                        true, // encoded for no reason: the same path everywhere
		"/static/":                         true,
		"/static/a/b.css":                  true,
		"/static/a%20b.css":                true,
		"/static/%C3%BC.css":               true,
		"/static/a/":                       true,
		"http://site.example.com/health":   true, // absolute form
		"http://other.example.com/health":  true,
		"/":                                false,
		"/healthy":                         false,
		"/health/":                         false,
		"/static":                          false,
		"/admin":                           false,
		"//health":                         false,
		"/./health":                        false,
		"/static//a.css":                   false,
		"/static/./a.css":                  false,
		"/static/../admin":                 false,
		"/static/..":                       false,
		"/x/../health":                     false,
		"/static/%2e%2e/admin":             false,
		"/static/.%2E/admin":               false,
		"/static/%2e/a":                    false,
		"/static/..%2fadmin":               false,
		"/static/a%2Fb":                    false,
		"/static%2fa":                      false,
		"/static/..%5cadmin":               false,
		`/static/..\admin`:                 false,
		"/static/..;/admin":                false,
		"/static/..;x=y/admin":             false,
		"/static/%2e%2e%3b/admin":          false,
		"/static/a.css;jsessionid=1":       false,
		"/health;x":                        false,
		"/static/%252e%252e/admin":         false,
		"/static/.%00./admin":              false,
		"/health%00":                       false,
		"/static/a%0d%0aX:y":               false,
		"/static/%c0%ae%c0%ae/admin":       false,
		"/static/..%20/admin":              false,
		"/static/a./b":                     false,
		"/health.":                         false,
		"/health%20":                       false,
		"http://site.example.com//health":  false,
		"http://site.example.com/a/../api": false,
	} {
		t.Run(path, func(t *testing.T) {
			c := d.dial(t)
			c.send("GET", path, "")
			got := c.receive("GET")
			if passes {
				got.wantText(t, nobodyThere)
				return
			}
			got.want(t, 401, both...)
		})
	}
}

// A path that the client names elsewhere is not the one that was judged, and is
// not handed on.
func TestBypassRemovesOverrides(t *testing.T) {
	d := loadBypassing(t, "", `[{"path": ["/health"], "method": ["GET"]}]`)
	c := d.dial(t)
	for _, header := range []string{
		"X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X_Original_URL: /admin", "x-http-method-override: DELETE", "X-Forwarded-Uri: /admin",
	} {
		c.send("GET", "/health", "", header)
		c.receive("GET").wantText(t, nobodyThere)
		c.send("GET", "/", "", header)
		if got := c.receive("GET"); got.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401", header, got.StatusCode)
		}
	}
}

// What a bypassed request carries says nothing about anybody, and what its
// connection remembers is neither shown nor lost.
func TestBypassHasNoIdentity(t *testing.T) {
	d := loadBypassing(t, "", `[{"path": ["/health"]}]`)
	c := d.dial(t)
	c.login("alice", "secret-a").wantText(t, aliceThere)
	health := func(headers ...string) {
		t.Helper()
		c.send("GET", "/health", "", headers...)
		c.receive("GET").wantText(t, nobodyThere)
	}
	asked := d.dir.asked.Load()
	health()
	health("X-Remote-User: root", "Connection: X_Remote_User")
	for _, credential := range []string{basic("alice", "secret-a"), basic("bob", "wrong"), "Authorization: NTLM ???", type1(), "Authorization: Bearer x"} {
		_, value, _ := strings.Cut(credential, ": ")
		c.send("GET", "/health", "", credential) // is for whoever is behind
		c.receive("GET").wantText(t, "id= header=[] authorization=["+value+"] other=[]")
	}
	c.get().wantText(t, aliceThere)
	if got := d.dir.asked.Load() - asked; got != 0 {
		t.Errorf("got %d questions to a controller, want 0", got)
	}
	first := c.get(type1()) // and a handshake goes on around it
	health()
	c.get(type3(first.challenge(), "alice", "secret-a")).wantText(t, aliceThere)
}

// The address of a connection is no header's business, and a proxy's address
// is not its client's.
func TestBypassByAddress(t *testing.T) {
	local := loadBypassing(t, "", `[{"remote_ip": {"ranges": ["127.0.0.1/8", "::1"]}}]`)
	c := local.dial(t)
	c.get().wantText(t, nobodyThere)
	for _, header := range []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "Via: 1.1 proxy"} {
		if got := local.dial(t).get(header); got.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401: everybody behind the proxy would pass", header, got.StatusCode)
		}
	}
	if got := local.dial(t).get("X-Forwarded-For: 127.0.0.1"); got.StatusCode != 401 {
		t.Errorf("got %d, want 401", got.StatusCode)
	}
	remote := loadBypassing(t, `"max_header_bytes": 65536,`, `[{"remote_ip": {"ranges": ["192.0.2.0/24"]}}]`)
	for _, header := range []string{"X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1", "X-Client-IP: 192.0.2.1", "Forwarded: for=192.0.2.1"} {
		if got := remote.dial(t).get(header); got.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401", header, got.StatusCode)
		}
	}
}

// Caddy itself drops names with _ and . unless it is told to keep them.
func TestForwardWithAliasesExpected(t *testing.T) {
	d := loadBypassing(t, `"expected_underscore_headers": ["X_Remote_User", "X_App"], "expected_dot_headers": ["X.Remote.User"],`, `[{"path": ["/health"]}]`)
	for _, header := range []string{"X_Remote_User: root", "X.Remote.User: root", "X_Remote_User: a\r\nX.Remote.User: b"} {
		stripped := d.logs.FilterMessage("header of the client removed").Len()
		d.dial(t).get(basic("alice", "secret-a"), header).wantText(t, aliceThere)
		if got := d.logs.FilterMessage("header of the client removed").Len(); got == stripped {
			t.Errorf("%s: got no header removed", header)
		}
	}
}

// Sets are or-ed, the matchers of one and-ed.
func TestBypassSets(t *testing.T) {
	d := loadBypassing(t, "", `[{"path": ["/a"], "method": ["GET"]}, {"header": {"X-Probe": ["yes"]}}, {"expression": "{http.request.uri.path} == '/b'"}]`)
	status := func(method, path string, headers ...string) int {
		c := d.dial(t)
		c.send(method, path, "", headers...)
		return c.receive(method).StatusCode
	}
	for _, test := range []struct {
		method, path, header string
		want                 int
	}{
		{"GET", "/a", "X-None: x", 200}, {"DELETE", "/a", "X-None: x", 401}, {"GET", "/c", "X-Probe: yes", 200},
		{"GET", "/c;x", "X-Probe: yes", 200}, // no path, no doubt about it
		{"GET", "/c", "X-Probe: no", 401}, {"GET", "/b", "X-None: x", 200}, {"GET", "/c", "X-None: x", 401},
	} {
		if got := status(test.method, test.path, test.header); got != test.want {
			t.Errorf("%s %s %s: got %d, want %d", test.method, test.path, test.header, got, test.want)
		}
	}
}

func TestBypassMistakes(t *testing.T) {
	for bypass, want := range map[string]string{
		`[{}]`:                  "would let everybody in",
		`[{"path": ["/a"]},{}]`: "would let everybody in",
		`[{"paths": ["/a"]}]`:   "paths",
		`[{"remote_ip": {"ranges": ["127.0.0.1/33"]}}]`: "127.0.0.1/33",
	} {
		config := strings.Replace(caddyRoutes, `"insecure_basic": true`, `"bypass": `+bypass, 1)
		err := caddy.Load(routesConfig(t, "", config), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", bypass, err, want)
		}
	}
}

// An inner windows_auth that bypasses hides whom the outer one let in, and one
// that does not asks for itself.
func TestBypassNested(t *testing.T) {
	outer := prepareDoor(t, nil)
	outer.bypasses = []bypass{{}} // no matchers: everything
	inner := newDoor(t, func(d *door) { d.inner = append(d.inner, outer.Handler) })
	inner.dial(t).login("alice", "secret-a").wantText(t, "nobody:")

	strict := prepareDoor(t, nil)
	open := newDoor(t, func(d *door) { d.inner = append(d.inner, strict.Handler) })
	open.bypasses = []bypass{{}}
	c := open.dial(t)
	c.get().want(t, 401, both...)
	c.login("alice", "secret-a").wantUser(t, "alice")
}

func TestHasOneReading(t *testing.T) {
	for _, path := range []string{"", "*", "a"} {
		if HasOneReading(&url.URL{Path: path}) {
			t.Errorf("%q has one reading", path)
		}
	}
}

func FuzzHasOneReading(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/a//b", "/a/../b", "/a%2fb", "/a;b", "/%2e", "/a%20/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !HasOneReading(u) {
			return
		}
		if clean := u.JoinPath(); clean.Path != u.Path {
			t.Errorf("%q has one reading and cleans to %q", u.Path, clean.Path)
		}
		again, err := url.PathUnescape(u.Path)
		if err != nil || again != u.Path {
			t.Errorf("%q has one reading and decodes to %q", u.Path, again)
		}
	})
}

type brokenMatcher struct{}

func (brokenMatcher) MatchWithError(*http.Request) (bool, error) {
	return false, errors.New("no matcher today")
}

// TestBypassThatBreaks: an error page, which may be another server's, sees no credential
// where a matcher fails.
func TestBypassThatBreaks(t *testing.T) {
	d := prepareDoor(t, func(d *door) { d.Session = new(Session) })
	d.bypasses = []bypass{{matchers: caddyhttp.MatcherSet{brokenMatcher{}}}}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://site.example.com/", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
	r.SetBasicAuth("alice", "secret-a")
	r.Header.Set("Cookie", "mine=1; "+hostPrefix+DefaultSessionCookie+"=x")
	if err := d.ServeHTTP(w, r, nil); err == nil {
		t.Error("got no error")
	}
	if got, want := fmt.Sprint(r.Header), "map[Cookie:[mine=1]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
