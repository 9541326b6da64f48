package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// books are two nodes on one store.
func books(limits Limits) (a, b *Book, kept *store.Memory, c *clock) {
	c = newClock()
	kept = store.NewMemory(nil, c.now)
	return New(kept, limits, c.now), New(kept, limits, c.now), kept, c
}

func ofAlice(form Form) Record {
	return Record{Form: form, Directory: "EXAMPLE#1", Account: "S-1-5-21-1-2-3-1104", Host: "site.example.com", Name: `EXAMPLE\alice`, Snapshot: []byte("alice")}
}

func mustOpen(t *testing.T, b *Book, r Record) (Token, *Record) {
	t.Helper()
	token, kept, err := b.Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return token, kept
}

// wantUse uses a session of alice as it is meant to be used.
func wantUse(t *testing.T, b *Book, token Token, want error) {
	t.Helper()
	if _, err := b.Use(t.Context(), token, Cookie, "site.example.com"); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// F-13: kept hashed, and what a store holds opens nothing.
func TestTokenIsNowhere(t *testing.T) {
	b, _, kept, _ := books(Limits{})
	token, _ := mustOpen(t, b, ofAlice(Cookie))
	if len(token.Reveal()) != 43 {
		t.Errorf("got a token of %d characters, want 43: 256 bits", len(token.Reveal()))
	}
	for _, kind := range store.Kinds() {
		_ = kept.Each(t.Context(), kind, func(name string, value []byte) bool {
			if strings.Contains(name, token.Reveal()) || strings.Contains(string(value), token.Reveal()) {
				t.Errorf("%s %q holds the token", kind, name)
			}
			if shown, err := ParseToken(name); err == nil {
				wantUse(t, b, shown, ErrNone)
			}
			return true
		})
	}
	text, err := json.Marshal(struct{ Token Token }{token})
	if shown := fmt.Sprintf("%v %+v %#v %s %q", token, token, token, token, text); err != nil || strings.Contains(shown, token.Reveal()) {
		t.Errorf("got %s, %v", shown, err)
	}
}

func TestParseToken(t *testing.T) {
	good := newToken().Reveal()
	for name, text := range map[string]string{
		"empty": "", "short": good[1:], "long": good + "A", "another alphabet": "+" + good[1:], "padding": good[:42] + "=",
		"bits behind the end": good[:42] + "B", "line end": good[:42] + "\n", "spaces": " " + good[1:],
	} {
		if got, err := ParseToken(text); err == nil || !got.IsZero() {
			t.Errorf("%s: got no error", name)
		}
	}
	if got, err := ParseToken(good); err != nil || got.Reveal() != good {
		t.Errorf("got %v", err)
	}
}

func TestUseRefuses(t *testing.T) {
	b, other, _, _ := books(Limits{})
	cookie, _ := mustOpen(t, b, ofAlice(Cookie))
	key, _ := mustOpen(t, b, ofAlice(Key))
	for name, c := range map[string]struct {
		token Token
		form  Form
		host  string
		want  error
	}{
		"cookie":            {cookie, Cookie, "site.example.com", nil},
		"key":               {key, Key, "site.example.com", nil},
		"cookie as a key":   {cookie, Key, "site.example.com", ErrForm},
		"key as a cookie":   {key, Cookie, "site.example.com", ErrForm},
		"of another host":   {cookie, Cookie, "other.example.com", ErrHost},
		"never given":       {newToken(), Cookie, "site.example.com", ErrNone},
		"no token":          {Token{}, Cookie, "site.example.com", ErrNone},
		"the client's idea": {Token{strings.Repeat("A", 43)}, Cookie, "site.example.com", ErrNone},
	} {
		for node, book := range map[string]*Book{"": b, " elsewhere": other} {
			if _, err := book.Use(t.Context(), c.token, c.form, c.host); !errors.Is(err, c.want) {
				t.Errorf("%s%s: got %v, want %v", name, node, err, c.want)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	b, _, kept, c := books(Limits{TTL: time.Hour, Idle: 10 * time.Minute})
	token, _ := mustOpen(t, b, ofAlice(Cookie))
	for range 11 {
		c.pass(5 * time.Minute)
		wantUse(t, b, token, nil)
	}
	c.pass(5 * time.Minute) // used a moment ago, and an hour old
	wantUse(t, b, token, ErrNone)

	token, _ = mustOpen(t, b, ofAlice(Cookie))
	c.pass(10 * time.Minute)
	wantUse(t, b, token, ErrNone)

	token, _ = mustOpen(t, b, ofAlice(Cookie))
	stricter := New(kept, Limits{TTL: time.Minute, Idle: time.Minute}, c.now)
	c.pass(time.Minute)
	wantUse(t, stricter, token, ErrOver) // of a configuration that came later
	wantUse(t, b, token, nil)
}

// counting counts what is asked of a store.
type counting struct {
	store.Store
	gets, updates int
}

func (c *counting) Get(ctx context.Context, key store.Key) ([]byte, error) {
	c.gets++
	return c.Store.Get(ctx, key)
}

func (c *counting) Update(ctx context.Context, key store.Key, change store.Change) error {
	c.updates++
	return c.Store.Update(ctx, key, change)
}

// A request is one Get: the last use is written once a minute.
func TestUseIsCheap(t *testing.T) {
	c := newClock()
	kept := &counting{Store: store.NewMemory(nil, c.now)}
	b := New(kept, Limits{}, c.now)
	token, _ := mustOpen(t, b, ofAlice(Cookie))
	wantUse(t, b, token, nil) // the first writes that the client keeps cookies
	c.pass(time.Second)
	wantUse(t, b, token, nil)
	kept.gets, kept.updates = 0, 0
	for range 50 {
		c.pass(time.Second)
		wantUse(t, b, token, nil)
	}
	if kept.gets != 50 || kept.updates != 0 {
		t.Errorf("got %d reads and %d writes of 50 requests, want 50 and 0", kept.gets, kept.updates)
	}
	c.pass(time.Minute)
	wantUse(t, b, token, nil)
	if kept.updates != 1 {
		t.Errorf("got %d writes after a minute, want 1", kept.updates)
	}
}

// F-01: the old token opens nothing from then on, and the absolute end stays.
func TestRotate(t *testing.T) {
	b, other, _, c := books(Limits{TTL: time.Hour})
	token, opened := mustOpen(t, b, ofAlice(Cookie))
	c.pass(20 * time.Minute)
	next, r, err := b.Rotate(t.Context(), token.ID(), func(r *Record) { r.Factor = c.now() })
	if err != nil {
		t.Fatal(err)
	}
	wantUse(t, other, token, ErrNone)
	wantUse(t, other, next, nil)
	if !r.Ends.Equal(opened.Ends) || !r.Factor.Equal(c.now()) || string(r.Snapshot) != "alice" {
		t.Errorf("got %+v of %+v", r, opened)
	}
	if _, _, err := b.Rotate(t.Context(), token.ID(), func(*Record) {}); !errors.Is(err, ErrNone) {
		t.Errorf("got %v when the old one was rotated again, want ErrNone", err)
	}
	c.pass(41 * time.Minute)
	wantUse(t, b, next, ErrNone)
}

// What callers may change, and what not.
func TestAmend(t *testing.T) {
	b, _, _, _ := books(Limits{})
	token, before := mustOpen(t, b, ofAlice(Cookie))
	r, err := b.Amend(t.Context(), token.ID(), func(r *Record) {
		*r = Record{Form: Key, Directory: "OTHER", Account: "bob", Host: "evil.example.com", Scheme: "ntlm", Snapshot: []byte("newer")}
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Form != Cookie || r.Account != before.Account || r.Directory != before.Directory || r.Host != before.Host || !r.Ends.Equal(before.Ends) {
		t.Errorf("got %+v", r)
	}
	if r.Edition != before.Edition+1 || string(r.Snapshot) != "newer" || r.Scheme != "ntlm" {
		t.Errorf("got edition %d of %q by %s", r.Edition, r.Snapshot, r.Scheme)
	}
	same, err := b.Amend(t.Context(), token.ID(), func(*Record) {})
	if err != nil || same.Edition != r.Edition {
		t.Errorf("got edition %d where nothing changed, %v", same.Edition, err)
	}
	if _, err := b.End(t.Context(), token.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Amend(t.Context(), token.ID(), func(*Record) {}); !errors.Is(err, ErrNone) {
		t.Errorf("got %v, want ErrNone: what has ended stays so", err)
	}
}

func TestEndOf(t *testing.T) {
	b, other, _, _ := books(Limits{})
	bob := ofAlice(Cookie)
	bob.Account = "S-1-5-21-1-2-3-1105"
	tokens := make([]Token, 5)
	for i := range tokens {
		tokens[i], _ = mustOpen(t, b, ofAlice(Cookie))
	}
	stays, _ := mustOpen(t, b, bob)
	ended, err := other.EndOf(t.Context(), bob.Directory, ofAlice(Cookie).Account)
	if len(ended) != 5 || err != nil || ended[0].Account != ofAlice(Cookie).Account {
		t.Errorf("got %v ended, %v, want five of alice", ended, err)
	}
	for _, token := range tokens {
		wantUse(t, b, token, ErrNone)
	}
	wantUse(t, b, stays, nil)
}

// An account has so many sessions: those that nobody came back with give way first.
func TestMostOf(t *testing.T) {
	b, _, kept, c := books(Limits{})
	human, _ := mustOpen(t, b, ofAlice(Cookie))
	wantUse(t, b, human, nil)
	first, _ := mustOpen(t, b, ofAlice(Cookie))
	for range 3 * MostOf {
		c.pass(time.Second)
		mustOpen(t, b, ofAlice(Cookie))
	}
	wantUse(t, b, human, nil)
	wantUse(t, b, first, ErrNone)
	n := 0
	_ = b.Each(t.Context(), func(ID, *Record) bool { n++; return true })
	if n != MostOf {
		t.Errorf("got %d sessions, want %d", n, MostOf)
	}
	if raw, err := kept.Get(t.Context(), ownerKey("EXAMPLE#1", ofAlice(Cookie).Account)); err != nil || len(decodeList(raw)) != MostOf {
		t.Errorf("got %d in the list, %v", len(decodeList(raw)), err)
	}
}

// down fails from some call on.
type down struct {
	store.Store
	calls, fails int
}

func (d *down) Update(ctx context.Context, key store.Key, change store.Change) error {
	if d.calls++; d.fails > 0 && d.calls >= d.fails {
		return store.ErrDown
	}
	return d.Store.Update(ctx, key, change)
}

// Whatever write fails, a rotation leaves no session that the old token opens, and hands
// out no token that is none.
func TestRotateFailsClosed(t *testing.T) {
	for fails := 2; fails <= 4; fails++ {
		c := newClock()
		kept := &down{Store: store.NewMemory(nil, c.now)}
		b := New(kept, Limits{}, c.now)
		token, _ := mustOpen(t, b, ofAlice(Cookie))
		kept.calls, kept.fails = 0, fails
		next, _, err := b.Rotate(t.Context(), token.ID(), func(*Record) {})
		kept.fails = 0
		wantUse(t, b, token, ErrNone)
		if err == nil {
			wantUse(t, b, next, nil)
		} else if !next.IsZero() || !errors.Is(err, store.ErrDown) {
			t.Errorf("write %d: got %v, and a token %v", fails, err, !next.IsZero())
		}
	}
}

func TestDownIsNotNone(t *testing.T) {
	c := newClock()
	kept := &down{Store: store.NewMemory(nil, c.now)}
	b := New(kept, Limits{}, c.now)
	token, _ := mustOpen(t, b, ofAlice(Cookie))
	kept.fails = 1
	wantUse(t, b, token, nil) // it is there, and only its use cannot be written
	for name, act := range map[string]func() error{
		"open":   func() error { _, _, err := b.Open(t.Context(), ofAlice(Key)); return err },
		"rotate": func() error { _, _, err := b.Rotate(t.Context(), token.ID(), func(*Record) {}); return err },
		"end":    func() error { _, err := b.End(t.Context(), token.ID()); return err },
		"end of": func() error { _, err := b.EndOf(t.Context(), "EXAMPLE#1", "alice"); return err },
		"amend":  func() error { _, err := b.Amend(t.Context(), token.ID(), func(*Record) {}); return err },
	} {
		if err := act(); !errors.Is(err, store.ErrDown) || errors.Is(err, ErrNone) {
			t.Errorf("%s: got %v, want ErrDown", name, err)
		}
	}
}

// Ending all of an account ends what is opened and rotated at the same time too: whatever
// token was handed out before it returned opens nothing after.
func TestEndOfWhileRotating(t *testing.T) {
	for range 200 {
		a, b, _, _ := books(Limits{})
		token, _ := mustOpen(t, a, ofAlice(Cookie))
		var next Token
		var failed error
		var both sync.WaitGroup
		both.Go(func() { next, _, failed = a.Rotate(t.Context(), token.ID(), func(*Record) {}) })
		both.Go(func() { _, _ = b.EndOf(t.Context(), "EXAMPLE#1", ofAlice(Cookie).Account) })
		both.Wait()
		wantUse(t, b, token, ErrNone)
		if failed != nil {
			if !errors.Is(failed, ErrNone) {
				t.Errorf("got %v", failed)
			}
			continue
		}
		wantUse(t, b, next, ErrNone)
	}
}

// interrupted does something after its n-th write.
type interrupted struct {
	store.Store
	writes, after int
	act           func()
}

func (i *interrupted) Update(ctx context.Context, key store.Key, change store.Change) error {
	err := i.Store.Update(ctx, key, change)
	if i.writes++; i.writes == i.after {
		i.act()
	}
	return err
}

// The same in each place between two writes, one after another.
func TestEndOfBetweenWrites(t *testing.T) {
	for after := 1; after <= 3; after++ {
		for _, what := range []string{"open", "rotate"} {
			c := newClock()
			kept := store.NewMemory(nil, c.now)
			elsewhere := New(kept, Limits{}, c.now)
			token, _ := mustOpen(t, elsewhere, ofAlice(Cookie))
			b := New(&interrupted{Store: kept, after: after, act: func() {
				if _, err := elsewhere.EndOf(t.Context(), "EXAMPLE#1", ofAlice(Cookie).Account); err != nil {
					t.Error(err)
				}
			}}, Limits{}, c.now)
			var next Token
			var err error
			if what == "open" {
				next, _, err = b.Open(t.Context(), ofAlice(Cookie))
			} else {
				next, _, err = b.Rotate(t.Context(), token.ID(), func(*Record) {})
			}
			ended := what == "rotate" || after <= 2 // an Open has two writes
			if ended && (err == nil || !errors.Is(err, ErrNone)) {
				t.Errorf("%s, after write %d: got %v, want ErrNone", what, after, err)
			}
			if ended {
				wantUse(t, elsewhere, token, ErrNone)
				wantUse(t, elsewhere, next, ErrNone)
			}
		}
	}
}
