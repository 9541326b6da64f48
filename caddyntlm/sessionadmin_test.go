package caddyntlm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

func init() {
	caddy.RegisterModule(new(listens))
}

// heard are the events of the configuration that runs.
var heard struct {
	sync.Mutex
	lines []string
}

// listens is a subscriber of Caddy's events.
type listens struct{}

func (*listens) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_listens", New: func() caddy.Module { return new(listens) }}
}

func (*listens) Handle(_ context.Context, e caddy.Event) error {
	heard.Lock()
	defer heard.Unlock()
	heard.lines = append(heard.lines, strings.TrimSpace(fmt.Sprintln(e.Name(), e.Data["user"], e.Data["reason"], e.Data["user_claimed"], e.Data["session"] != nil)))
	return nil
}

var _ caddyevents.Handler = (*listens)(nil)

// adminOf serves the admin endpoint of a store.
func adminOf(t *testing.T, kept store.Store) func(method, query string) (int, string) {
	t.Helper()
	a := &adminSessions{log: caddy.Log(), books: booksInUse}
	if kept != nil {
		a.books = func() []*session.Book { return []*session.Book{adminBook(kept), adminBook(kept)} }
	}
	return func(method, query string) (int, string) {
		w := httptest.NewRecorder()
		err := a.serve(w, httptest.NewRequest(method, "/windows_auth/sessions"+query, nil))
		if failure, ok := err.(caddy.APIError); ok {
			return failure.HTTPStatus, failure.Err.Error()
		}
		return w.Code, w.Body.String()
	}
}

// An administrator sees who is logged in and ends it, and is shown nothing that opens a
// session.
func TestAdminSessions(t *testing.T) {
	kept := store.NewMemory(nil, time.Now)
	d := newSessionDoor(t, func(d *door) { d.kept = kept })
	admin := adminOf(t, kept)
	if status, body := admin("GET", ""); status != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("got %d %s", status, body)
	}
	ofAlice, ofBob := d.logIn(t, "alice"), d.logIn(t, "bob")
	key := d.ask(t, 1, "/key", ofAlice).text
	status, body := admin("GET", `?user=example%5CALICE`)
	var shown []shownSession
	if err := json.Unmarshal([]byte(body), &shown); err != nil || status != 200 || len(shown) != 2 {
		t.Fatalf("got %d %s, %v", status, body, err)
	}
	for _, secret := range []string{key, strings.TrimPrefix(ofAlice, "Cookie: "+ourCookie+"=")} {
		if strings.Contains(body, secret) {
			t.Error("the list holds a token")
		}
	}
	for _, s := range shown {
		if s.User != `EXAMPLE\alice` || s.Host != "site.example.com" || s.Scheme != "basic" || s.Address != "127.0.0.1" || s.Opened.IsZero() || !s.Ends.After(s.Used) || len(s.Session) != session.HandleLength {
			t.Errorf("got %+v", s)
		}
		d.get(t, "Cookie: "+ourCookie+"="+s.Session).want(t, 401, both...)
		if s.Form == "key" {
			if status, body := admin("DELETE", "?session="+s.Session); status != 200 || !strings.Contains(body, `"ended":1`) {
				t.Errorf("got %d %s", status, body)
			}
		}
	}
	d.get(t, "Authorization: Bearer "+key).want(t, 401, both...)
	d.get(t, ofAlice).wantUser(t, "alice")
	for query, want := range map[string]int{"": 400, "?user=a&session=b": 400, "?usr=a": 400, "?user=nobody&x=": 400, "?user=nobody": 404, "?session=AAAAAAAAAAAA": 404} {
		if status, body := admin("DELETE", query); status != want {
			t.Errorf("DELETE %s: got %d %s, want %d", query, status, body, want)
		}
	}
	if status, _ := admin("POST", ""); status != 405 {
		t.Errorf("got %d to a POST, want 405", status)
	}
	if status, _ := admin("DELETE", "?user=alice"); status != 200 {
		t.Errorf("got %d", status)
	}
	d.get(t, ofAlice).want(t, 401, both...)
	d.get(t, ofBob).wantUser(t, "bob")
	if status, _ := adminOf(t, nil)("GET", ""); status != 200 {
		t.Errorf("got %d without windows_auth anywhere", status)
	}
}

// F-03: a session that gets another token while an administrator ends its user's does not
// outlive them.
func TestAdminEndsWhatIsJustRotated(t *testing.T) {
	kept := store.NewMemory(nil, time.Now)
	d := newSessionDoor(t, func(d *door) { d.kept = kept })
	cookie := d.logIn(t, "alice")
	a := &adminSessions{log: caddy.Log(), books: func() []*session.Book { return []*session.Book{adminBook(kept)} }}
	found, err := a.find(httptest.NewRequest("DELETE", "/windows_auth/sessions", nil), `EXAMPLE\alice`, "")
	if err != nil || len(found) != 1 {
		t.Fatalf("got %d sessions, %v, want 1", len(found), err)
	}
	rotated, fresh := cookieOf(d.ask(t, 1, "/factor", cookie)), d.logIn(t, "alice")
	w := httptest.NewRecorder()
	if err := a.end(t.Context(), w, found, true); err != nil || !strings.Contains(w.Body.String(), `"ended":2`) {
		t.Errorf("got %s, %v, want two ended", w.Body, err)
	}
	for _, cookie := range []string{cookie, rotated, fresh} {
		d.get(t, cookie).want(t, 401, both...)
	}

	// A full store may have forgotten the list of an account before its sessions.
	unlisted := d.logIn(t, "alice")
	_ = kept.Each(t.Context(), store.KindOwner, func(name string, _ []byte) bool {
		err = kept.Update(t.Context(), store.Key{Kind: store.KindOwner, Name: name}, func([]byte) ([]byte, time.Duration, error) { return nil, 0, nil })
		return err == nil
	})
	if status, body := adminOf(t, kept)("DELETE", "?user=alice"); status != 200 || !strings.Contains(body, `"ended":1`) || err != nil {
		t.Errorf("got %d %s, %v", status, body, err)
	}
	d.get(t, unlisted).want(t, 401, both...)
}

// In Caddy itself events reach who subscribes, and a site with sessions on plain HTTP loads.
func TestEventsInCaddy(t *testing.T) {
	heard.Lock()
	heard.lines = nil
	heard.Unlock()
	config := strings.Replace(string(routesConfig(t, "", fmt.Sprintf(doorRoute, `"session": {"ttl": "9h"}`))), `"apps": {`,
		`"apps": {"events": {"subscriptions": [{"events": ["windows_auth_login", "windows_auth_refusal", "windows_auth_lock"], "handlers": [{"handler": "test_listens"}]}]}, `, 1)
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	d := loaded.Load()
	if d.sessions == nil {
		t.Error("the site has no sessions")
	}
	c := d.dial(t)
	c.get().want(t, 401, both...)
	c.get(basic("bob", "wrong\n")).want(t, 401, both...)
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
	c.get(basic("alice", "secret-a")).wantUser(t, "alice") // no log-in: the connection remembers it
	c.get(basic("bob", "secret-b")).wantThrottled(t, "1")
	heard.Lock()
	defer heard.Unlock()
	want := []string{
		"windows_auth_refusal <nil> bad_credentials bob false",
		`windows_auth_login EXAMPLE\alice <nil> <nil> false`,
		"windows_auth_lock <nil> throttled bob false",
	}
	if got := strings.Join(heard.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
}
