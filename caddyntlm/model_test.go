package caddyntlm

import (
	"flag"
	"strconv"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// model is what a connection must do, told in the plainest way: what it
// remembers for each site, and what holds for the whole of it.
type model struct {
	sites   [2]memento
	http2   bool // nothing is ever remembered but passwords
	proxied bool // nor here
	ended   bool // a reload came: not even passwords
}

type memento struct {
	user    string // known on the connection
	pending []byte // the challenge that waits for its answer
	used    []byte // one that was answered, well or badly
	basics  map[string]bool
}

// wish is a request that the model is asked about.
type wish struct {
	site      int
	do        string
	user      string
	good      bool   // the password is right
	down      bool   // no controller answers
	challenge string // which one a Type 3 answers: own, stolen, used
	stolen    []byte
}

// passwordsAt are the passwords at the sites.
var passwordsAt = [2]map[string]string{
	{"alice": "secret-a", "bob": "secret-b"},
	{"alice": "other-a", "bob": "other-b"},
}

// expect moves the model by one request and tells headers, status and user.
func (m *model) expect(w wish) (headers []string, status int, sees string) {
	seat := &m.sites[w.site]
	before := *seat
	password := passwordsAt[w.site][w.user]
	if !w.good {
		password = passwordsAt[1-w.site][w.user] // wrong here, and right next door
	}
	if !m.http2 {
		seat.pending = nil // every request ends a handshake that it does not go on with
	}
	switch w.do {
	case "nothing":
		if before.user != "" {
			return nil, 200, before.user
		}
		return nil, 401, ""
	case "basic":
		header := []string{basic(w.user, password)}
		switch {
		case w.good && before.basics[w.user]:
			return header, 200, w.user
		case w.down:
			return header, 503, ""
		case !w.good:
			return header, 401, ""
		}
		if !m.ended {
			seat.basics[w.user] = true
		}
		return header, 200, w.user
	case "type3":
		return m.expectType3(w, before, password)
	}
	seat.user = ""
	switch w.do {
	case "type1":
		if w.down && m.ready() {
			return []string{type1()}, 503, ""
		}
		return []string{type1()}, 401, ""
	case "type2", "junk", "bearer":
		return []string{misuses[w.do]}, 401, ""
	case "two":
		return []string{type1(), basic(w.user, password)}, 400, ""
	default: // proxy
		m.share()
		return []string{"Via: 1.1 squid"}, 401, ""
	}
}

func (m *model) expectType3(w wish, before memento, password string) (headers []string, status int, sees string) {
	seat := &m.sites[w.site]
	seat.user = ""
	answered := ntlmMessage(2, "none")
	for which, c := range map[string][]byte{"own": before.pending, "stolen": w.stolen, "used": before.used} {
		if w.challenge == which && c != nil {
			answered = c
		}
	}
	headers = []string{type3(answered, w.user, password)}
	if before.pending == nil || !m.ready() {
		return headers, 401, ""
	}
	seat.used = before.pending
	switch {
	case w.down:
		return headers, 503, ""
	case string(answered) != string(before.pending) || !w.good:
		return headers, 401, ""
	}
	seat.user = w.user
	return headers, 200, w.user
}

// ready reports whether the connection is fit for handshakes.
func (m *model) ready() bool { return !m.http2 && !m.proxied && !m.ended }

// share makes both sites forget whom the connection knew.
func (m *model) share() {
	m.proxied = true
	for i := range m.sites {
		m.sites[i].user, m.sites[i].pending = "", nil
	}
}

// end is what a reload leaves.
func (m *model) end() {
	m.ended = true
	for i := range m.sites {
		m.sites[i] = memento{basics: map[string]bool{}}
	}
}

// run is one random sequence over several connections.
type run struct {
	*rapid.T
	*listener
	dial   func(rt *rapid.T) (peer, *model)
	peers  [3]peer
	models [3]*model
	sent   *atomic.Int64
}

func (r *run) redial(i int) {
	if r.peers[i] != nil {
		r.peers[i].hangUp()
	}
	r.peers[i], r.models[i] = r.dial(r.T)
	for s := range r.models[i].sites {
		r.models[i].sites[s].basics = map[string]bool{}
	}
}

// requests are weighted: what goes on with a handshake comes oftener.
var requests = []string{
	"nothing", "nothing", "nothing", "type1", "type1", "type1", "type3", "type3", "type3", "type3", "basic", "basic",
	"type2", "bearer", "two", "proxy", "junk",
}

func (r *run) request() {
	i := rapid.IntRange(0, len(r.peers)-1).Draw(r.T, "connection")
	w := wish{
		site:      rapid.IntRange(0, 1).Draw(r.T, "site"),
		do:        rapid.SampledFrom(requests).Draw(r.T, "request"),
		user:      rapid.SampledFrom([]string{"alice", "bob"}).Draw(r.T, "user"),
		good:      rapid.IntRange(0, 3).Draw(r.T, "password") > 0,
		down:      rapid.IntRange(0, 7).Draw(r.T, "controller") == 0,
		challenge: rapid.SampledFrom([]string{"own", "own", "own", "stolen", "used"}).Draw(r.T, "challenge"),
	}
	m := r.models[i]
	if w.stolen = m.sites[1-w.site].pending; w.stolen == nil {
		w.stolen = r.models[(i+1)%len(r.models)].sites[w.site].pending
	}
	r.sites[w.site].fail(w.down)
	headers, status, sees := m.expect(w)
	got := r.peers[i].ask(w.site, headers...)
	r.sites[w.site].fail(false)
	r.sent.Add(1)
	if got.StatusCode != status || status == 200 && got.text != sees+":" {
		r.Fatalf("connection %d, %+v: got %d %q, want %d %q", i, w, got.StatusCode, got.text, status, sees)
	}
	switch {
	case status == 400:
		r.redial(i)
	case w.do == "type1" && status == 401 && m.ready():
		if m.sites[w.site].pending = got.challenge(); m.sites[w.site].pending == nil {
			r.Fatalf("got %v, want a Type 2", got.Header)
		}
	case got.challenge() != nil:
		r.Fatalf("got a Type 2 for %+v", w)
	}
}

// happen is something that no request is: only peers within the process show
// at once that it has had its effect.
func (r *run) happen() {
	i := rapid.IntRange(0, len(r.peers)-1).Draw(r.T, "connection")
	switch rapid.SampledFrom([]string{"late", "late", "late", "hang up", "hang up", "reload"}).Draw(r.T, "event") {
	case "late":
		site := rapid.IntRange(0, 1).Draw(r.T, "site")
		r.peers[i].(*direct).late(site)
		r.models[i].sites[site].pending = nil
	case "hang up":
		r.redial(i)
	case "reload":
		r.reload()
		for _, m := range r.models {
			m.end()
		}
	}
}

// checkExchanges holds that exchanges are open for those handshakes that wait,
// and for no others.
func (r *run) checkExchanges() {
	for s, d := range r.sites {
		want := 0
		for _, m := range r.models {
			if m.sites[s].pending != nil {
				want++
			}
		}
		if got := d.waiting(); got != want {
			r.Fatalf("site %d: got %d exchanges open, want %d", s, got, want)
		}
	}
}

// TestDoorAgainstModel runs random requests, hang-ups, late answers, dead
// controllers and reloads over three connections to two sites, HTTP/1.1 and
// HTTP/2, against the model: 50,000 sequences, in four parts at once.
func TestDoorAgainstModel(t *testing.T) {
	const parts = 4
	each, sent := checks(t, 50_000/parts), new(atomic.Int64)
	t.Cleanup(func() { t.Logf("%d sequences planned, %d requests sent", parts*each, sent.Load()) })
	for part := range parts {
		t.Run(strconv.Itoa(part), func(t *testing.T) {
			t.Parallel()
			l := newListener(t)
			rapid.Check(t, func(rt *rapid.T) { walk(rt, l, sent) })
		})
	}
}

// walk runs one sequence in the process.
func walk(rt *rapid.T, l *listener, sent *atomic.Int64) {
	r := &run{T: rt, listener: l, sent: sent, dial: func(rt *rapid.T) (peer, *model) {
		h2 := rapid.IntRange(0, 4).Draw(rt, "HTTP/2") == 0
		return l.connect(h2), &model{http2: h2}
	}}
	for i := range r.peers {
		r.redial(i)
		defer func() { r.peers[i].hangUp() }()
	}
	for range rapid.IntRange(1, 30).Draw(rt, "steps") {
		if rapid.IntRange(0, 9).Draw(rt, "kind") == 0 {
			r.happen()
		} else {
			r.request()
		}
		r.checkExchanges()
	}
}

// TestConnectionsAgainstModel runs random requests over three real connections
// to two sites: 2,000 sequences.
func TestConnectionsAgainstModel(t *testing.T) {
	sequences := checks(t, 2_000)
	l, sent := newListener(t), new(atomic.Int64)
	l.serve(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := &run{T: rt, listener: l, sent: sent, dial: func(*rapid.T) (peer, *model) {
			return wire{dialAddress(t, l.server.Listener.Addr().String())}, new(model)
		}}
		for i := range r.peers {
			r.redial(i)
			defer func() { r.peers[i].hangUp() }()
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			r.request()
		}
	})
	t.Logf("%d sequences, %d requests", sequences, sent.Load())
}

// checks sets how many random sequences a test runs: so many, a fiftieth of
// that with -short, or what -rapid.checks says.
func checks(t *testing.T, n int) int {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if testing.Short() {
		n /= 10 // and rapid runs a fifth
	}
	if said := f.Value.String(); said != f.DefValue {
		n, _ = strconv.Atoi(said)
		return n
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
	if testing.Short() {
		n /= 5
	}
	return n
}
