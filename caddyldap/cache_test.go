package caddyldap

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// cached is a directory of the demo with a clock to move.
func cached(t *testing.T, change func(*demodir.Config), configure func(*Directory)) (*Directory, *atomic.Int64) {
	t.Helper()
	config := demoDirectory(startDemo(t, change))
	if configure != nil {
		configure(config)
	}
	d, _ := open(t, config, "EXAMPLE")
	began, moved := time.Now(), new(atomic.Int64)
	d.now = func() time.Time { return began.Add(time.Duration(moved.Load())) }
	d.cache.now = d.now
	return d, moved
}

func mustLogIn(t *testing.T, d *Directory, user string) *identity.Identity {
	t.Helper()
	id, err := logIn(t, d, user, "Secr3t-"+user)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestLogInsShareAnIdentity: features A34. Two connections of one user share
// one identity, as long as it is fresh; each log-in is decided by the controller.
func TestLogInsShareAnIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		quirks demodir.Quirks
		alone  bool // no service account
		lives  time.Duration
	}{
		"security context":   {lives: 5 * time.Minute},
		"walk":               {quirks: demodir.Quirks{NoTokenGroups: true, NoInChain: true}, lives: 5 * time.Minute},
		"no service account": {alone: true, lives: 5 * time.Second},
		"walk, none":         {quirks: demodir.Quirks{NoTokenGroups: true, NoInChain: true}, alone: true, lives: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d, clock := cached(t, func(cfg *demodir.Config) { cfg.Quirks = c.quirks }, func(d *Directory) {
				if c.alone {
					d.ServiceAccount = nil
				}
			})
			first := mustLogIn(t, d, "carol")
			clock.Store(int64(c.lives))
			if mustLogIn(t, d, "carol") != first {
				t.Error("a second log-in is somebody else's identity")
			}
			if id := mustLogIn(t, d, "alice"); id.SAM != "alice" || id == first {
				t.Errorf("got %s for alice", id.SAM)
			}
			if _, err := logIn(t, d, "carol", "wrong"); identity.KindOf(err) != identity.KindBadCredentials {
				t.Errorf("got %v, want %v", err, identity.KindBadCredentials)
			}
			byNTLM, err := logInNTLM(t, d, &ntlm.Client{User: "carol", Password: "Secr3t-carol"})
			if err != nil || byNTLM.Verifier != nameRelay || byNTLM.SID != first.SID {
				t.Errorf("by NTLM: got %v, %v", byNTLM, err)
			}
			clock.Add(1)
			if mustLogIn(t, d, "carol") == first {
				t.Error("an old identity is served")
			}
		})
	}
}

// TestCacheWantsTheSameContext: whoever has one group more or less than at the
// former log-in is looked up anew.
func TestCacheWantsTheSameContext(t *testing.T) {
	d, _ := cached(t, nil, nil)
	id := mustLogIn(t, d, "carol")
	token := sidsOf(id)
	recall := func(token []identity.SID, verifier, reading string) *identity.Identity {
		return d.cache.recallContext(token, verifier, reading, time.Hour)
	}
	if recall(token, nameBind, d.reading.print) != id {
		t.Error("the same context is not known")
	}
	other := mustLogIn(t, d, "alice")
	for name, got := range map[string]*identity.Identity{
		"less":          recall(token[:len(token)-1], nameBind, d.reading.print),
		"more":          recall(append(token[:len(token):len(token)], other.SID), nameBind, d.reading.print),
		"nobody":        recall(token[1:], nameBind, d.reading.print),
		"none":          recall(nil, nameBind, d.reading.print),
		"verifier":      recall(token, nameRelay, d.reading.print),
		"other reading": recall(token, nameBind, "other"),
	} {
		if got != nil {
			t.Errorf("%s: got %s, want nobody", name, got.SAM)
		}
	}
}

// TestRefreshIsShared: simultaneous look-ups of one user are one, and one who
// leaves fails nobody else.
func TestRefreshIsShared(t *testing.T) {
	d, clock := cached(t, nil, nil)
	id := mustLogIn(t, d, "carol")
	clock.Store(int64(6 * time.Second))
	giveBack := hold(t, d, d.service.pool.size*sharedBy) // so that all come before the first is served
	const callers = 50
	ids := make([]*identity.Identity, callers)
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var left atomic.Bool
	all.Go(func() {
		_, err := d.Refresh(ctx, id)
		left.Store(errors.Is(err, context.Canceled))
	})
	waiting := func() int {
		d.service.pool.mu.Lock()
		defer d.service.pool.mu.Unlock()
		return len(d.service.pool.waiting)
	}
	await(t, "one look-up", func() bool { return waiting() == 1 })
	before := d.cache.misses.Load()
	for i := range callers {
		all.Go(func() {
			var err error
			if ids[i], err = d.Refresh(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "all ask", func() bool { return d.cache.misses.Load() == before+callers })
	leave()
	await(t, "one has left", left.Load)
	if n := waiting(); n != 1 {
		t.Errorf("got %d look-ups, want 1", n)
	}
	giveBack()
	all.Wait()
	for _, fresh := range ids {
		if fresh == id || fresh != ids[0] {
			t.Fatal("callers got different identities")
		}
	}
}

// TestRefreshTakesWhatIsNewer: an identity that only grew old is replaced by a
// fresher one; before a denial it must be one of the last seconds.
func TestRefreshTakesWhatIsNewer(t *testing.T) {
	d, clock := cached(t, nil, nil)
	old := mustLogIn(t, d, "carol")
	refresh := func(at time.Duration, id *identity.Identity) *identity.Identity {
		t.Helper()
		clock.Store(int64(at))
		fresh, err := d.Refresh(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	newer := refresh(4*time.Minute, old)
	if newer == old {
		t.Error("before a denial an old identity was enough")
	}
	if refresh(6*time.Minute, old) != newer {
		t.Error("an old identity was not replaced by the fresher one")
	}
	if refresh(6*time.Minute, newer) == newer {
		t.Error("before a denial one of two minutes was enough")
	}
}

func TestRefreshSeesAChangedPassword(t *testing.T) {
	d, clock := cached(t, nil, nil)
	id := mustLogIn(t, d, "carol")
	if id.PasswordSet == 0 {
		t.Fatal("the log-in did not read pwdLastSet")
	}
	clock.Store(int64(6 * time.Minute))
	account := id.Account
	account.Groups, account.PasswordSet = id.Groups(), id.PasswordSet-1
	before := identity.New(account, policy.FoldDN)
	for range 2 { // once by asking, once from the cache
		if _, err := d.Refresh(t.Context(), before); identity.KindOf(err) != identity.KindPasswordChanged {
			t.Errorf("got %v, want %v", err, identity.KindPasswordChanged)
		}
	}
	if _, err := d.Refresh(t.Context(), id); err != nil {
		t.Errorf("who logged in with the new password: got %v", err)
	}
}

// TestRefreshOfANewEntry: who has the DN of somebody who logged in, and is another
// entry, is not that one; nor is an entry that does not show which it is.
func TestRefreshOfANewEntry(t *testing.T) {
	config := demoDirectory(startDemo(t, func(cfg *demodir.Config) {
		cfg.Quirks = demodir.Quirks{NoTokenGroups: true, NoInChain: true, NotActive: true}
		cfg.Users[0].Attributes = map[string][]string{"entryUUID": {"5b2f"}}
	}))
	config.User = &User{Attribute: "sAMAccountName"}
	d, _ := open(t, config, "EXAMPLE")
	alice, bob := mustLogIn(t, d, "alice"), mustLogIn(t, d, "bob")
	if alice.UUID != "5b2f" || bob.UUID != "" {
		t.Fatalf("got the UUIDs %q and %q, want that of alice alone", alice.UUID, bob.UUID)
	}
	for name, c := range map[string]struct {
		id   *identity.Identity
		uuid string
		kind identity.Kind
	}{
		"the same":    {alice, "5b2f", 0},
		"a new one":   {alice, "5b30", identity.KindNotFound},
		"unseen then": {alice, "", 0},
		"unseen now":  {bob, "5b2f", identity.KindCannotRefresh},
		"never seen":  {bob, "", 0},
	} {
		account := c.id.Account
		account.Groups, account.UUID, account.At = c.id.Groups(), c.uuid, time.Time{}
		fresh, err := d.Refresh(t.Context(), identity.New(account, policy.FoldDN))
		if c.kind == 0 && (err != nil || fresh.SAM != c.id.SAM) || c.kind != 0 && identity.KindOf(err) != c.kind {
			t.Errorf("%s: got %v, %v, want kind %v", name, fresh, err, c.kind)
		}
	}
}

func TestFailureIsForgotten(t *testing.T) {
	d, clock := cached(t, nil, nil)
	id := mustLogIn(t, d, "carol")
	clock.Store(int64(6 * time.Second))
	key := d.keyOfIdentity(id)
	account := id.Account
	account.SID = mustSID(t, id.SID.Domain().String()+"-99999")
	gone := identity.New(account, policy.FoldDN)
	d.cache.entries.Set(d.keyOf(gone.SID, "", "", gone.Verifier, true), known{id: gone})
	if _, err := d.Refresh(t.Context(), gone); identity.KindOf(err) != identity.KindNotFound {
		t.Errorf("got %v, want %v", err, identity.KindNotFound)
	}
	if _, ok := d.cache.entries.GetIfPresent(d.keyOf(gone.SID, "", "", gone.Verifier, true)); ok {
		t.Error("an account that is gone is still known")
	}
	if _, ok := d.cache.entries.GetIfPresent(key); !ok {
		t.Error("another account was forgotten with it")
	}
}

func mustSID(t *testing.T, text string) identity.SID {
	t.Helper()
	sid, err := identity.ParseSID(text)
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

func TestCacheIsBounded(t *testing.T) {
	d, _ := cached(t, nil, func(d *Directory) { d.Cache = &Cache{Size: 10} })
	id := mustLogIn(t, d, "carol")
	for i := range 1000 {
		d.cache.entries.Set(cacheKey{dn: strconv.Itoa(i)}, known{id: id})
	}
	d.cache.entries.CleanUp()
	if n := d.cache.entries.EstimatedSize(); n > 10 {
		t.Errorf("got %d identities, want 10 at most", n)
	}
}

func TestPanicOfALookUp(t *testing.T) {
	d, _ := cached(t, nil, nil)
	_, err := d.once(t.Context(), cacheKey{}, func(context.Context) (*identity.Identity, error) { panic("unforeseen") })
	if identity.KindOf(err) != identity.KindInternal {
		t.Errorf("got %v, want %v", err, identity.KindInternal)
	}
	if _, err := d.once(t.Context(), cacheKey{}, func(context.Context) (*identity.Identity, error) { return nil, nil }); err == nil {
		t.Error("neither an identity nor an error")
	}
}
