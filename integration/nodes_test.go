package integration

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/redis"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// nodesBody is a site with a part that wants a second factor. Each answer names its node.
const nodesBody = `
	header X-Node %d
	handle /factor/* {
		windows_auth EXAMPLE {
			session
			login /factor/auth
			totp {
				attribute unixUserPassword
			}
		}
		respond "{http.auth.user.id}"
	}
	handle {
		windows_auth EXAMPLE {
			session
			login
		}
		respond "{http.auth.user.id}"
	}
`

// nodes are two Caddys, each a process of its own, that share a Redis.
type nodes struct {
	redis *redis.Server
	each  [2]*site
	admin [2]string // base URLs of their admin endpoints
	// https and http are a proxy's base URLs: connections go to one node and the other
	// in turns, from their clients' addresses.
	https, http string
}

// startNodes runs them until the test ends, with words for the directory.
func startNodes(t *testing.T, config siteConfig) *nodes {
	t.Helper()
	store, err := redis.Start(t.TempDir(), redis.Options{Keep: true, Args: []string{"--maxmemory-policy", "noeviction"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { do(t, "stopping redis-server", store.Close) })
	n := &nodes{redis: store}
	config.Global = fmt.Sprintf("\twindows_auth {\n\t\tstore redis redis://%s {\n\t\t\tpassword %s\n\t\t}\n\t}\n", store.Address, redis.Password)
	for i := range n.each {
		config.Admin, config.Body = fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf(nodesBody, i)
		n.admin[i] = "http://" + config.Admin
		var caddyfile []byte
		n.each[i], caddyfile = write(t, config)
		runCaddy(t, n.each[i], caddyfile)
	}
	n.https, n.http = "https://localhost:"+n.inTurns(t, func(s *site) string { return s.HTTPS }), "http://127.0.0.1:"+n.inTurns(t, func(s *site) string { return s.HTTP })
	return n
}

// runCaddy runs a site's Caddyfile in a process of its own until the test ends.
func runCaddy(t *testing.T, s *site, caddyfile []byte) {
	t.Helper()
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	listens := func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.HTTP, "http://"))
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	caddy, err := daemon.Caddy(binary, t.TempDir(), caddyfile, listens)
	if err != nil {
		t.Fatal(err)
	}
	do(t, "starting Caddy", caddy.Run)
	t.Cleanup(func() { do(t, "stopping Caddy", caddy.Close) })
}

// inTurns is the port of a proxy that knows of no HTTP: what a node sees is the client's
// own connection, from the client's own address.
func (n *nodes) inTurns(t *testing.T, base func(*site) string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var to []string
	for _, s := range n.each {
		at, err := url.Parse(base(s))
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, "127.0.0.1:"+at.Port())
	}
	go func() {
		for i := 0; ; i++ {
			client, err := l.Accept()
			if err != nil {
				return
			}
			from := &net.TCPAddr{IP: client.RemoteAddr().(*net.TCPAddr).IP}
			go join(client, from, to[i%len(to)])
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// join leads a connection on, until either side ends it.
func join(client net.Conn, from *net.TCPAddr, to string) {
	defer client.Close()
	node, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", to)
	if err != nil {
		return
	}
	defer node.Close()
	go func() {
		_, _ = io.Copy(node, client)
		_ = node.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, node)
}

// browserFrom is an HTTPS client at an address of its own, which follows nowhere; keep
// says whether it keeps its connection.
func browserFrom(address string, keep bool) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: !keep, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, strings.Replace(to, "localhost", "127.0.0.1", 1))
			},
		},
	}
}

// reply is what a node says.
type reply struct {
	status       int
	body, cookie string // the session's, empty without one
	node         string
}

// sent is a request: a form's or JSON's body, where there is one, is posted.
type sent struct {
	url, user, password string // by Basic
	cookies, key        string
	form                url.Values
	json                map[string]string
}

func (r sent) by(client *http.Client) (reply, error) {
	method, body, kind := http.MethodGet, "", ""
	switch {
	case r.form != nil:
		method, body, kind = http.MethodPost, r.form.Encode(), "application/x-www-form-urlencoded"
	case r.json != nil:
		text, err := json.Marshal(r.json)
		if err != nil {
			return reply{}, err
		}
		method, body, kind = http.MethodPost, string(text), "application/json"
	}
	request, err := http.NewRequestWithContext(context.Background(), method, r.url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	header := request.Header
	header.Set("Accept", "text/html")
	if kind != "" {
		header.Set("Content-Type", kind)
	}
	if r.cookies != "" {
		header.Set("Cookie", r.cookies)
	}
	if r.key != "" {
		header.Set("Authorization", "Bearer "+r.key)
	}
	if r.user != "" {
		request.SetBasicAuth(r.user, r.password)
	}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	got := reply{status: response.StatusCode, body: string(text), node: response.Header.Get("X-Node")}
	for _, c := range response.Cookies() {
		if c.Name == sessionCookie && c.MaxAge >= 0 {
			got.cookie = sessionCookie + "=" + c.Value
		}
	}
	return got, err
}

const sessionCookie = "__Host-windows_auth"

// ask sends a request that must be answered.
func (r sent) ask(t *testing.T, client *http.Client) reply {
	t.Helper()
	got, err := r.by(client)
	if err != nil {
		t.Errorf("%s: %v", r.url, err)
	}
	return got
}

// keyOf is the key in the answer to a log-in by JSON.
func (r reply) keyOf(t *testing.T) string {
	t.Helper()
	var granted struct{ Key string }
	if err := json.Unmarshal([]byte(r.body), &granted); r.status != 200 || err != nil || granted.Key == "" {
		t.Fatalf("got %d %s, %v, want a key", r.status, r.body, err)
	}
	return granted.Key
}

// formAt is what the page at a node gives for its form: the cookie and the field token.
func formAt(t *testing.T, base string) (cookie, token string) {
	t.Helper()
	client, token := formClient(t, &site{HTTPS: base})
	at, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	kept := client.Jar.Cookies(at)
	if len(kept) != 1 {
		t.Fatalf("got cookies %v", kept)
	}
	return kept[0].String(), token
}

// TestNodes: two nodes behind a proxy that takes turns, with one Redis, are one to the
// outside.
func TestNodes(t *testing.T) {
	unlockAfter(t, "fragile")
	do(t, "unlocking", func() error { return domain.Unlock("fragile") })
	grantReading(t)
	enrol(t, aliceEntry, "otpauth://totp/EXAMPLE:alice?secret="+factorSecret+"&issuer=EXAMPLE")
	do(t, "replicating", domain.Replicate)
	n := startNodes(t, siteConfig{LDAP: kerberosWords()})
	t.Run("sessions", n.shareSessions)
	t.Run("tickets", n.shareTickets)
	t.Run("codes", n.shareCodes)
	t.Run("throttle", n.shareTheThrottle)
}

// shareSessions: a session of one is good at the other, and over at both as soon as it is
// at one.
func (n *nodes) shareSessions(t *testing.T) {
	client := browserFrom("127.0.0.1", false)
	first, second := n.each[0].HTTPS, n.each[1].HTTPS
	cookie := func(at string) string {
		t.Helper()
		got := sent{url: at + "/", user: "bob", password: "Secr3t-bob"}.ask(t, client)
		if got.status != 200 || got.body != "bob" || got.cookie == "" {
			t.Fatalf("got %d %q, cookie %q", got.status, got.body, got.cookie)
		}
		return got.cookie
	}
	key := func(at string) string {
		t.Helper()
		return sent{url: at + "/.auth/login", json: map[string]string{"name": "bob", "password": "Secr3t-bob"}}.ask(t, client).keyOf(t)
	}
	want := func(what string, status int, r sent) {
		t.Helper()
		seen := make(map[string]bool)
		for range 4 {
			r.url = n.https + "/"
			got := r.ask(t, client)
			if got.status != status || status == 200 && got.body != "bob" {
				t.Errorf("%s, at node %s: got %d %q, want %d", what, got.node, got.status, got.body, status)
			}
			seen[got.node] = true
		}
		if len(seen) != 2 {
			t.Errorf("%s: answered by %v, want both nodes", what, seen)
		}
	}
	for name, at := range map[string][2]string{"first": {first, second}, "second": {second, first}} {
		ofBrowser, ofProgram := sent{cookies: cookie(at[0])}, sent{key: key(at[0])}
		want(name+", a cookie", 200, ofBrowser)
		want(name+", a key", 200, ofProgram)
		formCookie, token := formAt(t, at[0])
		if got := (sent{url: at[1] + "/.auth/logout", cookies: ofBrowser.cookies + "; " + formCookie, form: url.Values{"token": {token}}}).ask(t, client); got.status != 200 {
			t.Errorf("%s: logging out at the other node: got %d %s", name, got.status, got.body)
		}
		want(name+", a cookie that was logged out", 401, ofBrowser)
		want(name+", a key beside it", 200, ofProgram)
		if got := (sent{url: at[1] + "/.auth/logout", key: ofProgram.key, form: url.Values{}}).ask(t, client); got.status != 204 {
			t.Errorf("%s: a program that logs out at the other node: got %d %s", name, got.status, got.body)
		}
		want(name+", a key that was logged out", 401, ofProgram)
	}
	ended := []sent{{cookies: cookie(first)}, {cookies: cookie(second)}, {key: key(first)}}
	if got := curl(t, "-X", "DELETE", n.admin[1]+"/windows_auth/sessions?user=bob"); got.Status != 200 || !strings.Contains(got.Body, `"ended":3`) {
		t.Errorf("ending all by one node's admin endpoint: got %d %s", got.Status, got.Body)
	}
	for _, r := range ended {
		want("ended by an administrator", 401, r)
	}
}

// shareTickets: threats C-02. A request with a ticket that one node has accepted is
// refused by the other; a new one is not.
func (n *nodes) shareTickets(t *testing.T) {
	env := ticketsOf(t, "alice", "")
	at := func(i int) string { return strings.Replace(n.each[i].HTTP, "127.0.0.1", "localhost", 1) + "/" }
	for i := range 2 {
		token := tokenOf(t, env)
		if got := sendToken(t, at(i), token); got.StatusCode != 200 {
			t.Errorf("node %d: got %d, reason %s", i, got.StatusCode, n.each[i].reason(t))
		}
		if got := sendToken(t, at(1-i), token); got.StatusCode != 401 || n.each[1-i].reason(t) != "replay" {
			t.Errorf("the other node: got %d, reason %s, want 401 and replay", got.StatusCode, n.each[1-i].reason(t))
		}
	}
}

// shareCodes: threats F-06. One code on 50 connections to two nodes at once, by Basic,
// JSON and the form, lets in once.
func (n *nodes) shareCodes(t *testing.T) {
	formCookie, token := formAt(t, n.each[0].HTTPS)
	code := oathtool(t, factorSecret, 0) // which is good in the next step too
	var in atomic.Int64
	var ready, done sync.WaitGroup
	var asked [2]atomic.Int64
	begin := make(chan struct{})
	for i := range 50 {
		ready.Add(1)
		done.Go(func() {
			client := browserFrom("127.0.0.1", true)
			defer client.CloseIdleConnections()
			page := n.https + "/factor/auth/login"
			sent{url: page}.ask(t, client)
			r, granted := sent{url: n.https + "/factor/x", user: "alice", password: "Secr3t-alice" + code}, 200
			switch i / 2 % 3 { // neighbours are at two nodes
			case 1:
				r = sent{url: page, json: map[string]string{"name": "alice", "password": "Secr3t-alice", "code": code}}
			case 2:
				r, granted = sent{url: page, cookies: formCookie, form: url.Values{"name": {`EXAMPLE\alice`}, "password": {"Secr3t-alice"}, "code": {code}, "token": {token}}}, 303
			}
			ready.Done()
			<-begin
			got := r.ask(t, client)
			switch got.status {
			case granted:
				in.Add(1)
			case 401:
			default:
				t.Errorf("got %d %s", got.status, got.body)
			}
			if got.node == "0" || got.node == "1" {
				asked[got.node[0]-'0'].Add(1)
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(begin)
	done.Wait()
	t.Logf("50 in %v, %d and %d of them at the nodes", time.Since(began), asked[0].Load(), asked[1].Load())
	if in.Load() != 1 || min(asked[0].Load(), asked[1].Load()) < 20 {
		t.Errorf("got %d let in, %d asked at one node and %d at the other; want 1, and both asked alike", in.Load(), asked[0].Load(), asked[1].Load())
	}
}

// shareTheThrottle: threats F-10 and F-11. 200 wrong passwords at once over two nodes, in
// twenty spellings, by Basic, NTLM, JSON and the form, are counted as at one.
func (n *nodes) shareTheThrottle(t *testing.T) {
	const owner = "127.0.0.9"
	right := lab.Account("fragile").Password
	if got := (sent{url: n.https + "/", user: "fragile", password: right}).ask(t, browserFrom(owner, false)); got.status != 200 {
		t.Fatalf("its owner: got %d", got.status)
	}
	formCookie, token := formAt(t, n.each[0].HTTPS)
	var statuses [600]atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		address, name, wrong := fmt.Sprintf("127.0.1.%d", i%40+1), spellingsOfFragile[i%len(spellingsOfFragile)], fmt.Sprint("wrong", i)
		all.Go(func() {
			status := 0
			switch (i + i/len(spellingsOfFragile)) % 4 { // each spelling comes each way
			case 0:
				parts := identity.ParseName(name)
				status = guessByNTLM(t, address, n.http, parts.User, parts.Domain)
			case 1:
				status = sent{url: n.https + "/", user: name, password: wrong}.ask(t, browserFrom(address, false)).status
			case 2:
				status = sent{url: n.https + "/.auth/login", json: map[string]string{"name": name, "password": wrong}}.ask(t, browserFrom(address, false)).status
			case 3:
				status = sent{url: n.https + "/.auth/login", cookies: formCookie, form: url.Values{"name": {name}, "password": {wrong}, "token": {token}}}.ask(t, browserFrom(address, false)).status
			}
			statuses[status].Add(1)
		})
	}
	began := time.Now()
	all.Wait()
	counted := badPasswords(t, "fragile")
	t.Logf("%d were told 401, %d 429, in %v; the controllers count %d", statuses[401].Load(), statuses[429].Load(), time.Since(began), counted)
	if told := statuses[401].Load() + statuses[429].Load(); told != 200 || statuses[429].Load() == 0 {
		t.Errorf("got %d refused of 200", told)
	}
	if counted < 1 || counted > 2 {
		t.Errorf("the controllers count %d, want 1 or 2", counted)
	}
	stranger := func(want int) {
		t.Helper()
		for i, s := range n.each {
			if got := (sent{url: s.HTTPS + "/", user: "fragile", password: right}).ask(t, browserFrom("127.0.1.99", false)); got.status != want {
				t.Errorf("the right password of a stranger at node %d: got %d, want %d", i, got.status, want)
			}
		}
	}
	stranger(429)
	for i, s := range n.each {
		for _, scheme := range []string{"--basic", "--ntlm"} {
			if got := curl(t, scheme, "--http1.1", "--interface", owner, "-u", "fragile:"+right, s.HTTPS+"/"); got.Status != 200 {
				t.Errorf("its owner at node %d, %s: got %d, reason %s", i, scheme, got.Status, s.reason(t))
			}
		}
		r := sent{url: s.HTTPS + "/.auth/login", json: map[string]string{"name": "fragile", "password": right}}
		if got := r.ask(t, browserFrom(owner, false)); got.status != 200 {
			t.Errorf("its owner at node %d, by JSON: got %d %s", i, got.status, got.body)
		}
	}
	if got := badPasswords(t, "fragile"); got > 2 {
		t.Errorf("the controllers count %d", got)
	}
	time.Sleep(1100 * time.Millisecond) // longer than strangers wait after the first wrong one
	guess := sent{url: n.each[0].HTTPS + "/", user: "fragile", password: "wrong once more"}
	if got := guess.ask(t, browserFrom("127.0.1.99", false)); got.status != 401 {
		t.Errorf("a wrong password after the owner's right one: got %d, want 401", got.status)
	}
	time.Sleep(1100 * time.Millisecond) // longer than a first one waits where nothing locks
	stranger(429)
	if got := curl(t, "-X", "DELETE", n.admin[1]+"/windows_auth/throttle?user=fragile"); got.Status != 204 {
		t.Errorf("forgetting at one node: got %d %s", got.Status, got.Body)
	}
	stranger(200)
}
