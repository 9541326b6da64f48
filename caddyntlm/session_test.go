package caddyntlm

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// sessionDoor is a door with sessions behind TLS.
type sessionDoor struct {
	*door
	roots *tls.Config
}

func newSessionDoor(t *testing.T, change func(*door)) *sessionDoor {
	t.Helper()
	d := prepareDoor(t, func(d *door) {
		d.Session, d.InsecureBasic = new(Session), false
		d.inner = append(d.inner, caddyhttp.MiddlewareHandler(middleware(actOnSession)))
		if change != nil {
			change(d)
		}
	})
	d.server = newTLSServer(d)
	t.Cleanup(d.close)
	return &sessionDoor{d, d.server.Client().Transport.(*http.Transport).TLSClientConfig}
}

// actOnSession does what the pages of a log-in do.
func actOnSession(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := answerOf(r.Context())
	if v == nil {
		return next.ServeHTTP(w, r)
	}
	v.w, v.r = w, r
	var said any
	var err error
	switch r.URL.Path {
	case "/logout":
		said, err = "out", v.logOut()
	case "/factor":
		v.factored = "secretattribute"
		_, err = v.markFactor()
		said = "marked"
	case "/key":
		var o opened
		o, err = v.openSession(session.Key)
		said = o.token.Reveal()
	case "/whoami":
		record, there := v.requestSession()
		said = fmt.Sprintf("%s %s %s %v %v", record.Name, record.Scheme, record.Form, there, v.holdsFactor("secretattribute"))
	default:
		return next.ServeHTTP(w, r)
	}
	if err != nil {
		return v.refuse(err)
	}
	_, err = fmt.Fprint(w, said)
	return err
}

// ask sends a request on a connection of its own, over HTTP/1.1 or HTTP/2.
func (d *sessionDoor) ask(t *testing.T, major int, path string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", d.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "site.example.com"
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	transport := &http.Transport{TLSClientConfig: d.roots.Clone(), ForceAttemptHTTP2: major == 2}
	if major == 1 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		transport.TLSClientConfig.NextProtos = nil
	}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if response.ProtoMajor != major {
		t.Fatalf("got %s", response.Proto)
	}
	return readAnswer(t, response)
}

// get is a request over HTTP/1.1.
func (d *sessionDoor) get(t *testing.T, headers ...string) answer {
	t.Helper()
	return d.ask(t, 1, "/", headers...)
}

// dialTLS is one connection that stays.
func (d *sessionDoor) dialTLS(t *testing.T) *client {
	t.Helper()
	config := d.roots.Clone()
	config.NextProtos, config.ServerName = nil, "example.com"
	nc, err := tls.Dial("tcp", d.server.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: t, nc: nc, read: bufio.NewReader(nc), host: "site.example.com"}
}

// cookieOf is the line that sends the cookie of an answer back, empty where it set none.
func cookieOf(a answer) string {
	for _, c := range a.Cookies() {
		if c.Name == ourCookie {
			return "Cookie: " + c.Name + "=" + c.Value
		}
	}
	return ""
}

// logIn is the cookie of a new session.
func (d *sessionDoor) logIn(t *testing.T, user string) string {
	t.Helper()
	got := d.get(t, asPage, basic(user, d.dir.passwords[user]))
	got.wantUser(t, user)
	cookie := cookieOf(got)
	if cookie == "" {
		t.Fatalf("got no cookie: %q", got.Header)
	}
	return cookie
}

const asPage = "Accept: text/html,application/xhtml+xml;q=0.9"

// count is how many sessions there are.
func (d *sessionDoor) count() (n int) {
	_ = d.sessions.book.Each(context.Background(), func(session.ID, *session.Record) bool { n++; return true })
	return n
}

// E4: one log-in, whatever it was by, and then the cookie alone opens every connection and
// version of HTTP. Nobody is asked again.
func TestSessionOpensEveryConnection(t *testing.T) {
	for name, logIn := range map[string]func(*sessionDoor) answer{
		"basic":           func(d *sessionDoor) answer { return d.get(t, asPage, basic("alice", "secret-a")) },
		"basic on HTTP/2": func(d *sessionDoor) answer { return d.ask(t, 2, "/", asPage, basic("alice", "secret-a")) },
		"ticket":          func(d *sessionDoor) answer { return d.get(t, asPage, negotiate(ticketOf("alice"))) },
		"ticket on HTTP/2": func(d *sessionDoor) answer {
			return d.ask(t, 2, "/", "Sec-Fetch-Mode: cors", negotiate(ticketOf("alice")))
		},
		"ntlm": func(d *sessionDoor) answer {
			c := d.dialTLS(t)
			first := c.get(asPage, type1())
			return c.get(asPage, type3(first.challenge(), "alice", "secret-a"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newSessionDoor(t, func(d *door) { d.dir.tickets = &fakeTickets{directory: d.dir} })
			first := logIn(d)
			first.wantUser(t, "alice")
			cookie := cookieOf(first)
			if cookie == "" || d.count() != 1 {
				t.Fatalf("got %d sessions, %q", d.count(), first.Header)
			}
			asked, tickets := d.dir.asked.Load(), d.dir.tickets.asked.Load()
			d.get(t, cookie).wantUser(t, "alice")
			d.ask(t, 2, "/", cookie).wantUser(t, "alice")
			d.get(t, cookie, "Via: 1.1 proxy").wantUser(t, "alice")
			d.get(t, cookie, "Connection: close").wantUser(t, "alice")
			if d.dir.asked.Load() != asked || d.dir.tickets.asked.Load() != tickets {
				t.Error("somebody was asked again")
			}
			if got := d.get(t, cookie); len(got.Header["Set-Cookie"]) != 0 || d.count() != 1 {
				t.Errorf("got %q and %d sessions", got.Header["Set-Cookie"], d.count())
			}
			d.get(t).want(t, 401, "Negotiate", "NTLM", basicChallenge)
		})
	}
}

// F-01: what a client brings is never made worth more. A name of its own opens nothing and
// becomes nothing; a log-in gives a new one and ends the old, and so does a second factor.
func TestSessionFixation(t *testing.T) {
	d := newSessionDoor(t, nil)
	planted := "Cookie: " + ours
	d.get(t, planted).want(t, 401, both...)
	got := d.get(t, asPage, planted, basic("alice", "secret-a"))
	got.wantUser(t, "alice")
	if cookie := cookieOf(got); cookie == "" || cookie == planted {
		t.Errorf("got %q", cookie)
	}
	d.get(t, planted).want(t, 401, both...)

	before := d.logIn(t, "bob") // the attacker's own, planted in alice's browser
	got = d.get(t, asPage, before, basic("alice", "secret-a"))
	after := cookieOf(got)
	got.wantUser(t, "alice")
	if after == "" || after == before {
		t.Fatalf("got %q", got.Header)
	}
	d.get(t, before).want(t, 401, both...)
	d.get(t, after).wantUser(t, "alice")

	if got := d.ask(t, 1, "/whoami", after); got.text != `EXAMPLE\alice basic cookie true false` {
		t.Errorf("got %q", got.text)
	}
	got = d.ask(t, 1, "/factor", after)
	marked := cookieOf(got)
	if got.StatusCode != 200 || marked == "" || marked == after {
		t.Fatalf("got %d %q", got.StatusCode, got.Header)
	}
	d.get(t, after).want(t, 401, both...)
	if got := d.ask(t, 1, "/whoami", marked); got.text != `EXAMPLE\alice basic cookie true true` {
		t.Errorf("got %q", got.text)
	}
}

// The identities of header, session and connection never mix: the header counts before the
// cookie, the cookie before the seat, and none writes into another.
func TestWhoseRequestItIs(t *testing.T) {
	d := newSessionDoor(t, func(d *door) {
		d.dir.passwords["carol"], d.dir.groups["carol"] = "secret-c", []string{"Users"}
	})
	ofBob := d.logIn(t, "bob")
	c := d.dialTLS(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	for range 2 {
		c.get(ofBob).wantUser(t, "bob")
		c.get().wantUser(t, "alice")
		c.get("Cookie: "+ours).wantUser(t, "alice")
		c.get(ofBob, basic("carol", "secret-c")).wantUser(t, "carol")
	}
	c.get(ofBob, "Authorization: Basic ???").want(t, 400)
	c = d.dialTLS(t)
	c.get(ofBob, basic("carol", "wrong")).want(t, 401, both...) // and not bob
	c.get(ofBob).wantUser(t, "bob")
	c.get().want(t, 401, both...) // nothing of bob is left on the connection
	d.get(t, ofBob).wantUser(t, "bob")
}

// a request with a cookie in the middle of a handshake drops the handshake.
func TestSessionDropsHandshake(t *testing.T) {
	d := newSessionDoor(t, nil)
	ofBob := d.logIn(t, "bob")
	c := d.dialTLS(t)
	first := c.get(type1())
	c.get(ofBob).wantUser(t, "bob")
	c.get(type3(first.challenge(), "alice", "secret-a")).want(t, 401, both...)
	d.wantReason(t, identity.KindState)
}

func TestSessionNeedsTLS(t *testing.T) {
	kept := store.NewMemory(nil, time.Now)
	d := newSessionDoor(t, func(d *door) { d.kept = kept })
	cookie := d.logIn(t, "alice")
	plain := newDoor(t, func(d *door) { d.Session, d.kept = new(Session), kept })
	c := plain.dial(t)
	c.get(cookie).want(t, 401, both...)
	for range 2 {
		got := plain.dial(t).get(asPage, basic("alice", "secret-a"))
		got.wantUser(t, "alice")
		if len(got.Header["Set-Cookie"]) > 0 {
			t.Errorf("got %q", got.Header["Set-Cookie"])
		}
	}
	c.get(strings.Replace(cookie, "Cookie: "+ourCookie+"=", "Authorization: Bearer ", 1)).want(t, 401, both...)
	plain.wantReason(t, identity.KindScheme)
	if got := plain.logs.FilterMessage("no session without TLS").Len(); got != 1 {
		t.Errorf("got %d warnings, want 1 a minute", got)
	}
}

// A session is good for the host that opened it, on whatever port; what is changed in it
// opens nothing.
func TestSessionIsOfItsHost(t *testing.T) {
	d := newSessionDoor(t, nil)
	cookie := d.logIn(t, "alice")
	for host, want := range map[string]int{
		"site.example.com": 200, "SITE.example.com:8443": 200, "site.example.com.": 200,
		"other.example.com": 401, "site.example.com.evil.test": 401, "xsite.example.com": 401,
	} {
		if got := d.get(t, cookie, "Host: "+host); got.StatusCode != want {
			t.Errorf("%s: got %d, want %d", host, got.StatusCode, want)
		}
	}
	for i := len("Cookie: " + ourCookie + "="); i < len(cookie); i += 7 {
		changed := []byte(cookie)
		changed[i] ^= 1
		d.get(t, string(changed)).want(t, 401, both...)
	}
	d.get(t, cookie+"; "+ourCookie+"=x").want(t, 401, both...)
	d.get(t, cookie, "Cookie: "+ours).want(t, 401, both...)
	d.get(t, cookie, cookie).wantUser(t, "alice")
}

// The application gets its own cookies and nothing of ours, let in or refused.
func TestSessionCookieIsNotTheApplications(t *testing.T) {
	var seen atomic.Value
	d := newSessionDoor(t, func(d *door) {
		d.inner = append(d.inner, middleware(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
			seen.Store(strings.Join(r.Header["Cookie"], " | "))
			return next.ServeHTTP(w, r)
		}))
	})
	cookie := d.logIn(t, "alice")
	pair := strings.TrimPrefix(cookie, "Cookie: ")
	d.get(t, "Cookie: a=1;b = 2 ; "+pair+";c=\"3\"").wantUser(t, "alice")
	if got := seen.Load(); got != `a=1;b = 2 ;c="3"` {
		t.Errorf("got %q", got)
	}
	d.ask(t, 2, "/", "Cookie: "+pair+"; a=1").wantUser(t, "alice")
	if got := seen.Load(); got != "a=1" {
		t.Errorf("got %q", got)
	}
	d.get(t, cookie, basic("alice", "secret-a")).wantUser(t, "alice")
	if got := seen.Load(); got != "" {
		t.Errorf("got %q", got)
	}
}

// F-13: a key is a Bearer of its own kind: no cookie, nothing in the address, and over as
// soon as its session is ended.
func TestKey(t *testing.T) {
	d := newSessionDoor(t, nil)
	cookie := d.logIn(t, "alice")
	key := d.ask(t, 1, "/key", cookie).text
	bearer := "Authorization: Bearer " + key
	d.get(t, bearer).wantUser(t, "alice")
	d.ask(t, 2, "/", "Authorization: bearer "+key).wantUser(t, "alice")
	d.get(t, bearer, cookie).wantUser(t, "alice")
	for name, header := range map[string]string{
		"cookie as a key": "Authorization: Bearer " + strings.TrimPrefix(cookie, "Cookie: "+ourCookie+"="),
		"changed":         bearer[:len(bearer)-1] + "_", "cut": bearer[:len(bearer)-1], "none": "Authorization: Bearer", "two": bearer + ", Basic x",
		"unknown": "Authorization: Bearer " + ourValue,
	} {
		for range 2 { // no cookie beside it counts then
			if got := d.get(t, header, cookie); got.StatusCode != 401 || len(got.Header["Www-Authenticate"]) != 2 {
				t.Errorf("%s: got %d %q", name, got.StatusCode, got.Header["Www-Authenticate"])
			}
			d.wantReason(t, identity.KindSession)
		}
	}
	d.get(t, "Cookie: "+ourCookie+"="+key).want(t, 401, both...)
	d.get(t, bearer, "Host: other.example.com").want(t, 401, both[0], strings.Replace(both[1], "site", "other", 1))
	for _, query := range []string{"/?key=", "/?access_token=", "/?" + ourCookie + "="} {
		if got := d.ask(t, 1, query+key); got.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401", query, got.StatusCode)
		}
	}
	if got := d.ask(t, 1, "/logout", bearer); got.StatusCode != 200 {
		t.Fatalf("got %d %s", got.StatusCode, got.text)
	}
	d.get(t, bearer).want(t, 401, both...)
	d.get(t, cookie).wantUser(t, "alice")
	var lines strings.Builder
	for _, line := range d.logs.All() {
		fmt.Fprint(&lines, line.Message, line.ContextMap())
	}
	if strings.Contains(lines.String(), key) || strings.Contains(lines.String(), cookie[len(cookie)-40:]) {
		t.Error("the log holds a token")
	}
}

// F-03: ended on the server, for every node; the browser is told, and no connection of the
// user lets the next request in.
func TestLogOut(t *testing.T) {
	kept := store.NewMemory(nil, time.Now)
	d := newSessionDoor(t, func(d *door) { d.kept = kept })
	node := newSessionDoor(t, func(d *door) { d.kept = kept })
	second, third := d.dialTLS(t), d.dialTLS(t)
	second.login("alice", "secret-a").wantUser(t, "alice")
	third.login("bob", "secret-b").wantUser(t, "bob")
	c := d.dialTLS(t)
	first := c.get(asPage, type1())
	cookie := cookieOf(c.get(asPage, type3(first.challenge(), "alice", "secret-a")))
	node.get(t, cookie).wantUser(t, "alice")
	c.send("GET", "/logout", "", cookie)
	got := c.receive("GET")
	if got.StatusCode != 200 || !got.Close || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %q, closed %v", got.StatusCode, got.Header, got.Close)
	}
	if set := got.Header["Set-Cookie"]; len(set) != 1 || !strings.HasPrefix(set[0], ourCookie+"=;") || !strings.Contains(set[0], "Max-Age=0") {
		t.Errorf("got %q", set)
	}
	d.get(t, cookie).want(t, 401, both...)
	node.get(t, cookie).want(t, 401, both...)
	second.get().want(t, 401, both...)
	third.get().wantUser(t, "bob")
	if d.count() != 0 {
		t.Errorf("got %d sessions", d.count())
	}
}

func newClockSession(t *testing.T, rule policy.Rule) (*sessionDoor, *clock) {
	t.Helper()
	c := new(clock)
	return newSessionDoor(t, func(d *door) { d.now, d.dir.at, d.Require = c.now, c.now, &rule }), c
}

// An identity in a session is refreshed as on a connection, and what nobody vouches for any
// more ends the session for good.
func TestSessionIsRefreshed(t *testing.T) {
	for name, kind := range map[string]identity.Kind{
		"disabled": identity.KindDisabled, "gone": identity.KindNotFound, "password changed": identity.KindPasswordChanged,
		"no service account": identity.KindCannotRefresh,
	} {
		t.Run(name, func(t *testing.T) {
			d, clock := newClockSession(t, policy.Rule{ValidUser: true})
			cookie := d.logIn(t, "alice")
			clock.advance(5 * time.Minute)
			d.get(t, cookie).wantUser(t, "alice")
			clock.advance(time.Second)
			d.refreshFails(kind)
			d.get(t, cookie).want(t, 401, both...)
			d.wantReason(t, kind)
			d.dir.refresh = nil
			d.get(t, cookie).want(t, 401, both...)
			if d.count() != 0 {
				t.Errorf("got %d sessions left", d.count())
			}
		})
	}
	t.Run("groups", func(t *testing.T) {
		d, clock := newClockSession(t, policy.Rule{Group: []string{"HR"}})
		cookie := d.logIn(t, "alice")
		d.dir.groups["alice"] = nil
		d.get(t, cookie).wantUser(t, "alice")
		clock.advance(5*time.Minute + time.Second)
		d.get(t, cookie).want(t, 403)
		d.dir.groups["alice"] = []string{"HR"}
		clock.advance(6 * time.Second) // a denial on groups this old asks again
		d.get(t, cookie).wantUser(t, "alice")
		asked := d.dir.refreshed.Load()
		d.get(t, cookie).wantUser(t, "alice") // what was found is in the session
		if got := d.dir.refreshed.Load() - asked; got != 0 {
			t.Errorf("got %d refreshes more", got)
		}
	})
	t.Run("purged", func(t *testing.T) {
		d, clock := newClockSession(t, policy.Rule{Group: []string{"HR"}})
		cookie := d.logIn(t, "alice")
		d.dir.groups["alice"] = nil
		clock.advance(time.Second)
		d.dir.purged = clock.now()
		d.get(t, cookie).want(t, 403)
	})
	t.Run("no controller", func(t *testing.T) {
		d, clock := newClockSession(t, policy.Rule{ValidUser: true})
		cookie := d.logIn(t, "alice")
		d.refreshFails(identity.KindUnavailable)
		clock.advance(14 * time.Minute)
		d.get(t, cookie).wantUser(t, "alice")
		clock.advance(2 * time.Minute)
		d.get(t, cookie).want(t, 503)
		d.dir.refresh = nil
		d.get(t, cookie).wantUser(t, "alice")
	})
}

func TestSessionRunsOut(t *testing.T) {
	d, clock := newClockSession(t, policy.Rule{ValidUser: true})
	cookie := d.logIn(t, "alice")
	clock.advance(29 * time.Minute)
	d.get(t, cookie).wantUser(t, "alice")
	clock.advance(30 * time.Minute)
	d.get(t, cookie).want(t, 401, both...)
	cookie = d.logIn(t, "alice")
	for range 19 {
		clock.advance(25 * time.Minute)
		d.get(t, cookie).wantUser(t, "alice")
	}
	clock.advance(5 * time.Minute)
	d.get(t, cookie).want(t, 401, both...)
}

// Programs that never send a cookie back get none, and those that look like browsers fill
// no more than their account's places.
func TestProgramsOpenNoSessions(t *testing.T) {
	d := newSessionDoor(t, nil)
	for _, headers := range [][]string{{"Accept: */*"}, {}, {"Accept: application/json", "User-Agent: curl/8"}} {
		got := d.get(t, append(headers, basic("alice", "secret-a"))...)
		got.wantUser(t, "alice")
		if cookieOf(got) != "" {
			t.Errorf("%q: got a cookie", headers)
		}
	}
	mine := d.logIn(t, "alice")
	d.get(t, mine).wantUser(t, "alice")
	for range 5 { // one that sends its password and its cookie each time
		if got := cookieOf(d.get(t, asPage, mine, basic("alice", "secret-a"))); got != "" {
			t.Errorf("got another cookie")
		}
	}
	if d.count() != 1 {
		t.Errorf("got %d sessions, want 1", d.count())
	}
	c := d.dialTLS(t)
	for range 3 * session.MostOf { // one connection asks a controller once
		c.get(asPage, basic("alice", "secret-a")).wantUser(t, "alice")
	}
	if d.count() != 2 {
		t.Errorf("got %d sessions, want 2", d.count())
	}
	if testing.Short() {
		return
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range session.MostOf / 2 {
				d.get(t, asPage, basic("alice", "secret-a"))
			}
		})
	}
	all.Wait()
	if got := d.count(); got != session.MostOf {
		t.Errorf("got %d sessions, want %d", got, session.MostOf)
	}
	d.get(t, mine).wantUser(t, "alice") // what somebody comes back with stays
}

// stoppable is a store that can be down.
type stoppable struct {
	store.Store
	down atomic.Bool
}

func (s *stoppable) Get(ctx context.Context, key store.Key) ([]byte, error) {
	if s.down.Load() {
		return nil, fmt.Errorf("dialling: %w", store.ErrDown)
	}
	return s.Store.Get(ctx, key)
}

func (s *stoppable) Update(ctx context.Context, key store.Key, change store.Change) error {
	if s.down.Load() {
		return fmt.Errorf("dialling: %w", store.ErrDown)
	}
	return s.Store.Update(ctx, key, change)
}

// A store that is down is no prompt: 503 to whoever has a cookie or a key. Log-ins that
// need none go on, without a session.
func TestSessionStoreDown(t *testing.T) {
	kept := &stoppable{Store: store.NewMemory(nil, time.Now)}
	d := newSessionDoor(t, func(d *door) { d.kept = kept })
	cookie := d.logIn(t, "alice")
	bearer := "Authorization: Bearer " + d.ask(t, 1, "/key", cookie).text
	kept.down.Store(true)
	for _, header := range []string{cookie, bearer} {
		got := d.get(t, header)
		got.want(t, 503)
		if got.Header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
		d.wantReason(t, identity.KindStore)
	}
	c := d.dialTLS(t)
	c.login("bob", "secret-b").wantUser(t, "bob")
	c.get(cookie).want(t, 503) // whose it is nobody knows, so it is not bob's
	c.get().wantUser(t, "bob")
	d.get(t).want(t, 401, both...)
	for range 2 {
		got := d.get(t, asPage, cookie, basic("bob", "secret-b"))
		got.wantUser(t, "bob")
		if cookieOf(got) != "" {
			t.Error("got a cookie of a session that is none")
		}
	}
	warnings := d.logs.FilterLevelExact(zapcore.WarnLevel).FilterMessageSnippet("no session was opened")
	if warnings.Len() != 1 {
		t.Errorf("got %d warnings, want 1 a minute", warnings.Len())
	}
	kept.down.Store(false)
	d.get(t, cookie).wantUser(t, "alice")
	d.get(t, bearer).wantUser(t, "alice")
}

// A site takes no session by a scheme that it does not offer, nor by NTLM where that is
// refused, and a log-in there replaces it.
func TestSessionOfAnotherScheme(t *testing.T) {
	kept := store.NewMemory(nil, time.Now)
	tickets := func(d *door) { d.kept, d.dir.tickets = kept, &fakeTickets{directory: d.dir} }
	all := func(d *door) { tickets(d); d.Schemes = []string{"negotiate", "ntlm", "basic"} }
	open := newSessionDoor(t, all)
	strict := newSessionDoor(t, func(d *door) { tickets(d); d.Schemes = []string{"negotiate"}; d.NTLM = NTLMRefuse })
	byPassword := open.logIn(t, "alice")
	strict.get(t, byPassword).want(t, 401, "Negotiate")
	c := open.dialTLS(t)
	challenge := c.ask(opening(t, message1(), spnego.NTLMSSP))
	byNTLM := cookieOf(c.get(asPage, negotiate(going(t, message3(challenge, "alice", "secret-a")))))
	open.get(t, byNTLM).wantUser(t, "alice")
	strict.get(t, byNTLM).want(t, 401, "Negotiate")
	byTicket := cookieOf(strict.get(t, asPage, byNTLM, negotiate(ticketOf("alice"))))
	if byTicket == "" {
		t.Fatal("got no cookie")
	}
	strict.get(t, byTicket).wantUser(t, "alice")
	open.get(t, byTicket).wantUser(t, "alice")
}

// Two nodes on one store are one: opened here, used there, changed and ended anywhere.
func TestSessionOnTwoNodes(t *testing.T) {
	kept := store.NewMemory(nil, time.Now)
	one := newSessionDoor(t, func(d *door) { d.kept = kept })
	two := newSessionDoor(t, func(d *door) { d.kept = kept })
	cookie := one.logIn(t, "alice")
	two.get(t, cookie).wantUser(t, "alice")
	if got := two.dir.asked.Load() + two.dir.resolved.Load() + two.dir.refreshed.Load(); got != 0 {
		t.Errorf("got %d questions at the second node, want 0", got)
	}
	marked := cookieOf(two.ask(t, 2, "/factor", cookie))
	one.get(t, cookie).want(t, 401, both...)
	if got := one.ask(t, 1, "/whoami", marked).text; !strings.HasSuffix(got, "true true") {
		t.Errorf("got %q", got)
	}
	two.ask(t, 1, "/logout", marked)
	one.get(t, marked).want(t, 401, both...)
}

// Another windows_auth further in takes the session of the first, and its own word is not
// needed there.
func TestSessionAtAnInnerDoor(t *testing.T) {
	var inner *door
	d := newSessionDoor(t, func(d *door) {
		inner = prepareDoor(t, func(i *door) { i.dir = d.dir; i.Require = &policy.Rule{User: []string{"alice"}} })
		d.inner = append(d.inner, inner.Handler)
	})
	cookie := d.logIn(t, "alice")
	got := d.get(t, asPage, basic("bob", "secret-b"))
	got.want(t, 403)
	ofBob := cookieOf(got)
	d.get(t, cookie).wantUser(t, "alice")
	d.get(t, ofBob).want(t, 403)
	d.dir.purged = time.Now().Add(time.Hour) // each request looks again, and keeps what it finds
	d.get(t, cookie).wantUser(t, "alice")
	d.refreshFails(identity.KindDisabled)
	d.get(t, cookie).want(t, 401, both...)
}

// An upgrade with the cookie is a request like any other, and needs nothing of the connection.
func TestSessionUpgrades(t *testing.T) {
	d := newSessionDoor(t, func(d *door) {
		d.inner = append(d.inner, middleware(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
			if r.Header.Get("Upgrade") == "" {
				return next.ServeHTTP(w, r)
			}
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return err
			}
			defer func() { _ = nc.Close() }()
			_, err = fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-User: %s\r\n\r\n", answerOf(r.Context()).name)
			return err
		}))
	})
	cookie := d.logIn(t, "alice")
	c := d.dialTLS(t)
	c.send("GET", "/", "", append([]string{cookie}, upgrade...)...)
	response, err := http.ReadResponse(c.read, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("X-User") != "alice" {
		t.Errorf("got %v, %v, want 101 for alice", response, err)
	}
	d.dialTLS(t).get(upgrade...).want(t, 401, both...)
}
