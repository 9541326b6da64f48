package caddyntlm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// These tests run the real server of Caddy around the door.

func init() {
	caddy.RegisterModule(new(caddyDoor))
	caddy.RegisterModule(new(tellName))
}

// loaded is the door of the configuration that was loaded last.
var loaded atomic.Pointer[caddyDoor]

// caddyDoor is the door with a fake directory in the place of the ldap app.
type caddyDoor struct {
	Handler
	dir  *fakeDirectory
	logs *observer.ObservedLogs
}

func (*caddyDoor) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_door", New: func() caddy.Module { return new(caddyDoor) }}
}

func (d *caddyDoor) Provision(ctx caddy.Context) error {
	d.dir = newFakeDirectory("EXAMPLE")
	if err := d.furnish(ctx, []directory{d.dir}); err != nil {
		return err
	}
	var core zapcore.Core
	core, d.logs = observer.New(zapcore.DebugLevel)
	d.log = zap.New(core)
	loaded.Store(d)
	return nil
}

// tellName answers with the user's name.
type tellName struct{}

func (*tellName) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_tell_name", New: func() caddy.Module { return new(tellName) }}
}

func (*tellName) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	_, err := fmt.Fprint(w, repl.ReplaceAll("{http.auth.user.id}:", ""))
	return err
}

// caddyRoutes lets alice in and nobody else. The second route is reached by
// nobody: the first one answers.
const caddyRoutes = `{"handle": [
	{"handler": "test_door", "insecure_basic": true, "require": {"user": ["alice"]}},
	{"handler": "test_tell_name"}
]}, {"handle": [{"handler": "require", "rule": {"valid_user": true}}]}`

func loadCaddy(t *testing.T, extra string) *caddyDoor {
	t.Helper()
	return loadRoutes(t, extra, caddyRoutes)
}

func (d *caddyDoor) dial(t *testing.T) *client {
	t.Helper()
	return dialAddress(t, d.server.Listeners()[0].Addr().String())
}

func TestInCaddy(t *testing.T) {
	d := loadCaddy(t, "")
	c := d.dial(t)
	c.get().want(t, 401, both...) // by caddyhttp.Error: the challenges stay, the connection too
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	c.login("bob", "secret-b").want(t, 403)
	c.get().want(t, 403)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	d.dir.failures["bob"] = errUnavailable()
	got := c.get(basic("bob", "secret-b"))
	got.want(t, 503)
	if got.Header.Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
	c.get("Authorization: NTLM ???").want(t, 400)
}

// handle_errors makes the pages; challenges and the Type 2 stay untouched.
func TestErrorPagesInCaddy(t *testing.T) {
	d := loadCaddy(t, `"errors": {"routes": [{"handle": [{"handler": "static_response", "body": "page {http.error.status_code} {http.error.message}"}]}]},`)
	c := d.dial(t)
	page := func(got answer, status int, text string) {
		t.Helper()
		if got.StatusCode != status || got.text != text {
			t.Errorf("got %d %q, want %d %q", got.StatusCode, got.text, status, text)
		}
	}
	got := c.get()
	got.want(t, 401, both...)
	page(got, 401, "page 401 log in")
	page(c.get(type1()), 401, "")
	c.login("alice", "secret-a").wantUser(t, "alice")
	page(c.login("bob", "secret-b"), 403, "page 403 not allowed")
	d.InsecureBasic = false
	page(d.dial(t).get("Connection: close"), 401,
		"page 401 No way to log in works on this connection. NTLM needs HTTP/1.1 and a connection that stays open. Basic needs HTTPS.")
}

// F-12: what makes the page may stand on another server.
func TestErrorPagesSeeNoCredential(t *testing.T) {
	d := loadCaddy(t, `"errors": {"routes": [{"handle": [{"handler": "static_response", "body": "[{http.request.header.Authorization}]"}]}]},`)
	for _, header := range []string{
		basic("bob", "secret-b"), basic("alice", "wrong"), type3(ntlmMessage(2, "challenge"), "alice", "secret-a"), "Authorization: Basic ???",
	} {
		if got := d.dial(t).get(header); got.StatusCode == 200 || got.text != "[]" {
			t.Errorf("%s: got %d %s", header, got.StatusCode, got.text)
		}
	}
	if got := d.dial(t).login("bob", "secret-b"); got.StatusCode != 403 || got.text != "[]" {
		t.Errorf("a Type 3: got %d %s", got.StatusCode, got.text)
	}
}

//
func TestReloadInMidHandshake(t *testing.T) {
	d := loadCaddy(t, "")
	waiting, known := d.dial(t), d.dial(t)
	first := waiting.get(type1())
	known.login("alice", "secret-a").wantUser(t, "alice")
	if first.challenge() == nil {
		t.Fatal("got no Type 2")
	}
	fresh := loadCaddy(t, `"max_header_bytes": 65536,`)
	if fresh == d {
		t.Fatal("nothing was loaded")
	}
	d.dir.checkClosed(t)
	if got := d.pending.taken.Load(); got != 0 {
		t.Errorf("got %d handshakes still counted, want 0", got)
	}
	fresh.dial(t).get(type3(first.challenge(), "alice", "secret-a")).want(t, 401, both...)
	fresh.dial(t).login("alice", "secret-a").wantUser(t, "alice")
}

// who was let in by the rules that went is judged by the new ones, whether
// the connection waits or carries a request while they come.
func TestReloadAppliesNewRules(t *testing.T) {
	old := loadCaddy(t, "") // lets alice in
	idle, busy := old.dial(t), old.dial(t)
	idle.login("alice", "secret-a").wantUser(t, "alice")
	busy.login("alice", "secret-a").wantUser(t, "alice")
	asked, answer := make(chan struct{}), make(chan struct{})
	old.dir.verify = func(context.Context) error {
		close(asked)
		<-answer
		return nil
	}
	busy.send("GET", "/", "", basic("alice", "secret-a"))
	<-asked
	const onlyBob = `"insecure_basic": true, "require": {"user": ["bob"]}`
	routes := strings.Replace(caddyRoutes, `"insecure_basic": true, "require": {"user": ["alice"]}`, onlyBob, 1)
	fresh := loadRoutes(t, `"max_header_bytes": 65536,`, routes)
	close(answer)
	if got := busy.receive("GET"); got.StatusCode == 200 && !strings.HasPrefix(got.text, "alice") {
		t.Errorf("the request under way: got %d %q", got.StatusCode, got.text)
	}
	for name, c := range map[string]*client{"idle": idle, "busy": busy} {
		_, _ = io.WriteString(c.nc, "GET / HTTP/1.1\r\nHost: site.example.com\r\n\r\n")
		response, err := http.ReadResponse(c.read, nil)
		if err == nil && response.StatusCode == 200 {
			t.Errorf("%s: alice got in by the rules that went", name)
		}
	}
	c := fresh.dial(t)
	c.login("alice", "secret-a").want(t, 403)
	c.login("bob", "secret-b").wantUser(t, "bob")
}

//
func TestTrustedProxyInCaddy(t *testing.T) {
	d := loadCaddy(t, `"trusted_proxies": {"source": "static", "ranges": ["127.0.0.1/32"]},`)
	c := d.dial(t)
	c.get().want(t, 401, basicChallenge)
	c.get(type1()).want(t, 401, basicChallenge)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
}

// What is wrong with a configuration is said when it loads.
func TestProvisionInCaddy(t *testing.T) {
	const ldap = `"ldap": {"directories": {"EXAMPLE": {"server": [{"url": "ldaps://dc1.example.com"}]}}}`
	tests := []struct {
		name, apps, handler, want string
	}{
		{"named", ldap, `"handler": "windows_auth", "directories": ["EXAMPLE"]`, ""},
		{"short form", "", `"handler": "windows_auth", "directory": {"server": [{"url": "ldaps://dc1.example.com"}]}`, ""},
		{"no directory", ldap, `"handler": "windows_auth"`, "needs either"},
		{"both", ldap, `"handler": "windows_auth", "directories": ["EXAMPLE"], "directory": {"server": [{"url": "ldaps://x.example.com"}]}`, "needs either"},
		{"unknown name", ldap, `"handler": "windows_auth", "directories": ["OTHER"]`, "OTHER"},
		{"twice", ldap, `"handler": "windows_auth", "directories": ["EXAMPLE", "EXAMPLE"]`, "twice"},
		{"scheme", ldap, `"handler": "windows_auth", "directories": ["EXAMPLE"], "schemes": ["kerberos"]`, "unknown scheme"},
		{"require", ldap, `"handler": "require", "rule": {"valid_user": true, "user": ["a"]}`, "several"},
		{"role", ldap, `"handler": "windows_auth", "directories": ["EXAMPLE"], "require": {"any": [{"user": ["a"]}, {"role": ["x y"]}]}`, `require role "x y": no map of EXAMPLE gives the role x y`},
		{"role in none", ldap, `"handler": "windows_auth", "directories": ["EXAMPLE"], "require": {"all": [{"valid_user": true}, {"none": [{"role": ["x"]}]}]}`, "gives the role x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			apps := tt.apps
			if apps != "" {
				apps += ","
			}
			var config caddy.Config
			raw := fmt.Sprintf(`{"admin": {"disabled": true}, "logging": {"logs": {"default": {"level": "PANIC"}}},
				"apps": {%s "http": {"servers": {"s": {"listen": ["127.0.0.1:0"], "routes": [{"handle": [{%s}]}]}}}}}`, apps, tt.handler)
			if err := caddy.StrictUnmarshalJSON([]byte(raw), &config); err != nil {
				t.Fatal(err)
			}
			err := caddy.Validate(&config)
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestOutsideAServer(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if err := new(Handler).furnish(ctx, []directory{newFakeDirectory("EXAMPLE")}); err == nil {
		t.Error("got no error")
	}
}
