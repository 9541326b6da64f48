package session

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/modeltest"
)

// modelled is a session as it should be.
type modelled struct {
	token        Token
	form         Form
	account      string
	host         string
	opened, used time.Time
	factor       bool
	ended        bool
}

// TestModel: two nodes on one store do whatever they like, and a token opens its own
// session, as long as that lasts, and never another.
func TestModel(t *testing.T) {
	limits := Limits{TTL: time.Hour, Idle: 10 * time.Minute}
	modeltest.Check(t, func(t *rapid.T) modeltest.Actions {
		one, two, _, clock := books(limits)
		var all []*modelled
		book := func(t *rapid.T) *Book {
			return map[bool]*Book{false: one, true: two}[rapid.Bool().Draw(t, "other node")]
		}
		pick := func(t *rapid.T) *modelled {
			return rapid.SampledFrom(all).Draw(t, "session")
		}
		opened := func() bool { return len(all) > 0 }
		lives := func(m *modelled) bool {
			now := clock.now()
			return !m.ended && now.Before(m.opened.Add(limits.TTL)) && now.Before(m.used.Add(limits.Idle))
		}
		check := func(t *rapid.T, m *modelled, err error) bool {
			if lives(m) != (err == nil) || err != nil && !errors.Is(err, ErrNone) {
				t.Fatalf("got %v, want the session to live: %v", err, lives(m))
			}
			return err == nil
		}
		return modeltest.Actions{
			"open": {Do: func(t *rapid.T) {
				m := &modelled{
					form:    rapid.SampledFrom([]Form{Cookie, Key}).Draw(t, "form"),
					account: rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "account"),
					host:    rapid.SampledFrom([]string{"a", "b"}).Draw(t, "host"),
					opened:  clock.now(), used: clock.now(),
				}
				var err error
				m.token, _, err = book(t).Open(t.Context(), Record{Form: m.form, Directory: "D", Account: m.account, Host: m.host, Snapshot: []byte(m.account)})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, m)
			}},
			"use": {Ready: opened, Do: func(t *rapid.T) {
				m := pick(t)
				r, err := book(t).Use(t.Context(), m.token, m.form, m.host)
				if !check(t, m, err) {
					return
				}
				if r.Account != m.account || string(r.Snapshot) != m.account || r.Factor.IsZero() == m.factor {
					t.Fatalf("got the session of %s %q, factor at %v", r.Account, r.Snapshot, r.Factor)
				}
				m.used = r.Used // written at most so often, and never later than it was
				if late := clock.now().Sub(r.Used); late < 0 || late >= limits.Idle/20 {
					t.Fatalf("got a use that is %v off", late)
				}
			}},
			"misuse": {Ready: opened, Do: func(t *rapid.T) {
				m := pick(t)
				form, host := m.form, m.host
				if rapid.Bool().Draw(t, "other form") {
					form = Cookie + Key - form
				} else {
					host += "x"
				}
				if _, err := book(t).Use(t.Context(), m.token, form, host); !errors.Is(err, ErrNone) {
					t.Fatalf("got %v", err)
				}
			}},
			"rotate": {Ready: opened, Do: func(t *rapid.T) {
				m := pick(t)
				token, _, err := book(t).Rotate(t.Context(), m.token.ID(), func(r *Record) { r.Factor = clock.now() })
				if !check(t, m, err) {
					m.ended = true
					return
				}
				next := *m
				next.token, next.used, next.factor = token, clock.now(), true
				m.ended = true
				all = append(all, &next)
			}},
			"end": {Ready: opened, Do: func(t *rapid.T) {
				m := pick(t)
				_, err := book(t).End(t.Context(), m.token.ID())
				if err != nil && lives(m) {
					t.Fatal(err)
				}
				m.ended = true
			}},
			"end all of an account": {Do: func(t *rapid.T) {
				account := rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "account")
				if _, err := book(t).EndOf(t.Context(), "D", account); err != nil {
					t.Fatal(err)
				}
				for _, m := range all {
					m.ended = m.ended || m.account == account
				}
			}},
			"time passes": {Do: func(t *rapid.T) {
				clock.pass(time.Duration(rapid.IntRange(1, 12*60).Draw(t, "seconds")) * time.Second)
			}},
			"": {Do: func(t *rapid.T) {
				shown := map[string]bool{}
				if err := one.Each(t.Context(), func(id ID, _ *Record) bool { shown[fmt.Sprint(id)] = true; return true }); err != nil {
					t.Fatal(err)
				}
				for _, m := range all {
					if shown[fmt.Sprint(m.token.ID())] != lives(m) {
						t.Fatalf("got listed %v, want %v", !lives(m), lives(m))
					}
				}
			}},
		}
	})
}
