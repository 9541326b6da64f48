package caddyldap

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func TestPurge(t *testing.T) {
	d, clock := cached(t, nil, nil)
	ask := func(method, query string) int {
		t.Helper()
		w := httptest.NewRecorder()
		err := (&adminPurge{log: zap.NewNop()}).serve(w, httptest.NewRequest(method, "/ldap/purge"+query, nil))
		if refused, ok := errors.AsType[caddy.APIError](err); ok {
			return refused.HTTPStatus
		}
		if err != nil {
			t.Fatal(err)
		}
		return w.Code
	}
	clock.Store(int64(time.Second))
	first := mustLogIn(t, d, "carol")
	for _, c := range []struct {
		method, query string
		status        int
		purged        bool
	}{
		{"GET", "", 405, false},
		{"POST", "?directory=OTHER", 404, false},
		{"POST", "?directory=" + d.name, 204, true},
		{"POST", "", 204, true},
	} {
		clock.Add(int64(time.Second))
		if got := ask(c.method, c.query); got != c.status {
			t.Errorf("%s %s: got %d, want %d", c.method, c.query, got, c.status)
		}
		if got := d.Purged(first).After(first.At); got != c.purged {
			t.Errorf("%s %s: got purged %v, want %v", c.method, c.query, got, c.purged)
		}
		clock.Add(int64(time.Second))
		again := mustLogIn(t, d, "carol")
		if (again != first) != c.purged {
			t.Errorf("%s %s: got the same identity %v, want %v", c.method, c.query, again == first, !c.purged)
		}
		first = again
	}
}

// TestPurgeOfOne: somebody's identities are looked up again, whichever name is said, and
// nobody else's.
// TestPurgeMisspelt: a word that is not known is no purge of everybody.
func TestPurgeMisspelt(t *testing.T) {
	d, clock := cached(t, nil, nil)
	clock.Store(int64(time.Second))
	carol := mustLogIn(t, d, "carol")
	clock.Add(int64(time.Second))
	err := (&adminPurge{log: zap.NewNop()}).serve(httptest.NewRecorder(), httptest.NewRequest("POST", "/ldap/purge?usr=carol", nil))
	if refused, ok := errors.AsType[caddy.APIError](err); !ok || refused.HTTPStatus != 400 {
		t.Errorf("got %v, want 400", err)
	}
	if d.Purged(carol).After(carol.At) || mustLogIn(t, d, "carol") != carol {
		t.Error("somebody was purged")
	}
}

func TestPurgeOfOne(t *testing.T) {
	d, clock := cached(t, nil, nil)
	clock.Store(int64(time.Second))
	carol, alice := mustLogIn(t, d, "carol"), mustLogIn(t, d, "alice")
	for _, name := range []string{"CAROL", carol.Logon(), carol.UPN, carol.SID.String()} {
		clock.Add(int64(time.Second))
		w := httptest.NewRecorder()
		if err := (&adminPurge{log: zap.NewNop()}).serve(w, httptest.NewRequest("POST", "/ldap/purge?user="+url.QueryEscape(name), nil)); err != nil || w.Code != 204 {
			t.Fatalf("%s: got %d, %v", name, w.Code, err)
		}
		if !d.Purged(carol).After(carol.At) || d.Purged(alice).After(alice.At) {
			t.Errorf("%s: got %v and %v", name, d.Purged(carol), d.Purged(alice))
		}
		again := mustLogIn(t, d, "carol")
		if again == carol || mustLogIn(t, d, "alice") != alice {
			t.Errorf("%s: the wrong ones are served", name)
		}
		carol = again
	}
	for i := range maxPurged {
		d.cache.purged.person(strconv.Itoa(i), d.now())
	}
	if !d.Purged(alice).After(alice.At) {
		t.Error("one too many does not purge all")
	}
}

// TestPurgeOfWhatIsUnderWay: a look-up that began before the purge tells of before.
func TestPurgeOfWhatIsUnderWay(t *testing.T) {
	d, clock := cached(t, nil, nil)
	clock.Store(int64(time.Second))
	id := mustLogIn(t, d, "carol")
	clock.Add(1)
	d.purge()
	d.cache.entries.Set(d.keyOfIdentity(id), known{id, contextOf(sidsOf(id))})
	if mustLogIn(t, d, "carol") == id {
		t.Error("what was read before the purge is served")
	}
}
