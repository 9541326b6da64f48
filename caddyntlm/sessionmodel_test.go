package caddyntlm

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-ntlm/caddy-ntlm/internal/modeltest"
)

// TestWhoseRequestModel: two connections, log-ins by header, cookies and seats in any order:
// each request is of whom it should be, and no log-in leaves a trace where it should not.
func TestWhoseRequestModel(t *testing.T) {
	d := newSessionDoor(t, nil)
	passwords := map[string]string{"alice": "secret-a", "bob": "secret-b"}
	modeltest.Check(t, func(rt *rapid.T) modeltest.Actions {
		conns := [2]*client{d.dialTLS(t), d.dialTLS(t)}
		seats := [2]string{}
		type bearer struct {
			cookie, user string
			ended        bool
		}
		cookies := []*bearer{{cookie: "Cookie: " + ours, ended: true}, {cookie: "Cookie: a=1", ended: true}}
		users := rapid.SampledFrom([]string{"alice", "bob"})
		pick := func(rt *rapid.T) (*bearer, []string) {
			b := rapid.SampledFrom(cookies).Draw(rt, "cookie")
			return b, []string{b.cookie}
		}
		check := func(rt *rapid.T, got answer, user string) {
			if user == "" && got.StatusCode != 401 || user != "" && (got.StatusCode != 200 || got.text != user+":") {
				rt.Fatalf("got %d %q, want %q", got.StatusCode, got.text, user)
			}
		}
		forget := func(user string) {
			for i := range seats {
				if seats[i] == user {
					seats[i] = ""
				}
			}
		}
		at := rapid.IntRange(0, 1)
		type whom struct {
			at   int
			by   *bearer
			user string
		}
		there := func() (all []whom) { // whoever a request by a connection and a cookie is of
			for i, user := range seats {
				for _, b := range cookies {
					w := whom{i, b, user}
					if !b.ended {
						w.user = b.user
					}
					if w.user != "" {
						all = append(all, w)
					}
				}
			}
			return all
		}
		return modeltest.Actions{
			"request": {Do: func(rt *rapid.T) {
				i := at.Draw(rt, "connection")
				b, headers := pick(rt)
				want := seats[i]
				if !b.ended {
					want = b.user
				}
				check(rt, conns[i].get(headers...), want)
			}},
			"request without a cookie": {Do: func(rt *rapid.T) {
				i := at.Draw(rt, "connection")
				check(rt, conns[i].get(), seats[i])
			}},
			"ntlm": {Do: func(rt *rapid.T) {
				i, user := at.Draw(rt, "connection"), users.Draw(rt, "user")
				_, headers := pick(rt)
				first := conns[i].get(append(headers, type1())...)
				check(rt, conns[i].get(append(headers, type3(first.challenge(), user, passwords[user]))...), user)
				seats[i] = user
			}},
			"wrong ntlm": {Do: func(rt *rapid.T) {
				i := at.Draw(rt, "connection")
				_, headers := pick(rt)
				first := conns[i].get(append(headers, type1())...)
				check(rt, conns[i].get(append(headers, type3(first.challenge(), "alice", "wrong"))...), "")
				seats[i] = ""
			}},
			"basic": {Do: func(rt *rapid.T) {
				i, user := at.Draw(rt, "connection"), users.Draw(rt, "user")
				_, headers := pick(rt)
				check(rt, conns[i].get(append(headers, basic(user, passwords[user]))...), user)
				check(rt, conns[i].get(append(headers, basic(user, "wrong"))...), "")
			}},
			"browser logs in": {Do: func(rt *rapid.T) {
				user := users.Draw(rt, "user")
				b, headers := pick(rt)
				got := d.get(t, append(headers, asPage, basic(user, passwords[user]))...)
				check(rt, got, user)
				kept := !b.ended && b.user == user
				if cookie := cookieOf(got); (cookie == "") != kept {
					rt.Fatalf("got the cookie %q, and the session was the user's own: %v", cookie, kept)
				} else if cookie != "" {
					b.ended = true
					cookies = append(cookies, &bearer{cookie: cookie, user: user})
				}
			}},
			"log-out": {Ready: func() bool { return len(there()) > 0 }, Do: func(rt *rapid.T) {
				w := rapid.SampledFrom(there()).Draw(rt, "whom")
				i, b, user := w.at, w.by, w.user
				conns[i].send("GET", "/logout", "", b.cookie)
				if got := conns[i].receive("GET"); got.StatusCode != 200 || !got.Close {
					rt.Fatalf("got %d, closed %v", got.StatusCode, got.Close)
				}
				conns[i], seats[i], b.ended = d.dialTLS(t), "", true
				forget(user)
			}},
		}
	})
}
