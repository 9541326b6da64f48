package integration

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowdSize is how many accounts log in, and crowdSessions how many sessions each opens:
// with a hundred the oldest would end.
const crowdSize, crowdSessions = 48, 80

// crowd is people who log in at nodes, and what they were told.
type crowd struct {
	*nodes
	t     *testing.T
	step  int64            // of 30 seconds, when it began
	codes map[int64]string // of a few steps
	over  chan struct{}

	mu    sync.Mutex
	kept  map[string]string // who each cookie and each key was confirmed to
	opens map[string]int    // how many of somebody's that is
	taken map[string]int    // how often each code of each account was accepted
	tried int               // codes

	logIns, without, uses, unavailable atomic.Int64
	well                               [2]atomic.Int64 // when a node last opened a session, in Unix nanoseconds
}

// newCrowd makes the accounts, who all have one secret.
func newCrowd(t *testing.T) *crowd {
	t.Helper()
	var add, remove strings.Builder
	for i := range crowdSize {
		name := nameInCrowd(i)
		dn := "dn: CN=" + name + ",OU=Staff," + domain.BaseDN + "\nchangetype: "
		fmt.Fprintf(&add, "%sadd\nobjectClass: user\nsAMAccountName: %s\nuserAccountControl: 512\nunicodePwd:: %s\nunixUserPassword: otpauth://totp/%s?secret=%s\n\n",
			dn, name, base64.StdEncoding.EncodeToString(utf16LE(`"Secr3t-`+name+`"`)), name, factorSecret)
		fmt.Fprintf(&remove, "%sdelete\n\n", dn)
	}
	apply(t, add.String())
	t.Cleanup(func() { apply(t, remove.String()) })
	c := &crowd{
		t: t, step: time.Now().Unix() / 30, codes: make(map[int64]string), over: make(chan struct{}),
		kept: make(map[string]string), opens: make(map[string]int), taken: make(map[string]int),
	}
	for i := range int64(6) {
		c.codes[c.step+i-1] = oathtool(t, factorSecret, int(i)-1)
	}
	return c
}

// nameInCrowd is an account's name, which ends in a letter: digits would look like a code.
func nameInCrowd(i int) string { return fmt.Sprintf("crowd%02dx", i) }

func (c *crowd) isOver() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// logInAndUse logs somebody in at whichever node has its turn, and uses what others were
// given. The password is right: nobody may be told that it is not, and nobody may be
// somebody else.
func (c *crowd) logInAndUse(client *http.Client) {
	name := c.someone()
	if name == "" {
		time.Sleep(10 * time.Millisecond)
		return
	}
	got := sent{url: c.https + "/", user: name, password: "Secr3t-" + name}.ask(c.t, client)
	switch {
	case got.status == 503:
		c.unavailable.Add(1)
	case got.status != 200 || got.body != name:
		c.t.Errorf("%s logs in at node %s: got %d %q", name, got.node, got.status, got.body)
	case got.cookie == "":
		c.without.Add(1)
	default:
		c.logIns.Add(1)
		c.keep(got.cookie, name)
		c.well[got.node[0]-'0'].Store(time.Now().UnixNano())
	}
	for range 2 {
		token, name := c.some()
		if name == "" {
			return
		}
		switch got := (sent{url: c.https + "/"}).with(token).ask(c.t, client); {
		case got.status == 503:
			c.unavailable.Add(1)
		case got.status != 200 || got.body != name:
			c.t.Errorf("a session of %s at node %s: got %d %q", name, got.node, got.status, got.body)
		default:
			c.uses.Add(1)
		}
	}
}

// with is a request with a cookie or a key.
func (r sent) with(token string) sent {
	if strings.HasPrefix(token, sessionCookie) {
		r.cookies = token
	} else {
		r.key = token
	}
	return r
}

func (c *crowd) keep(token, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[token] = name
	c.opens[name]++
}

// someone is an account that may have one more session.
func (c *crowd) someone() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := rand.IntN(crowdSize)
	for i := range crowdSize {
		if name := nameInCrowd((first + i) % crowdSize); c.opens[name] < crowdSessions {
			return name
		}
	}
	return ""
}

// some is any session that was confirmed.
func (c *crowd) some() (token, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for token, name := range c.kept { // in no order
		return token, name
	}
	return "", ""
}

// spendCodes tries codes one after another, each at both nodes at once and later once more.
func (c *crowd) spendCodes() {
	var all sync.WaitGroup
	defer all.Wait()
	last := make(map[string]int64)
	for i := 0; !c.isOver(); i++ {
		time.Sleep(200 * time.Millisecond)
		name, now := nameInCrowd(i%crowdSize), time.Now().Unix()/30
		step := max(last[name]+1, now-1)
		if step > now+1 || c.codes[step] == "" {
			continue
		}
		last[name] = step
		c.mu.Lock()
		c.tried++
		c.mu.Unlock()
		for _, after := range []time.Duration{0, 0, 500 * time.Millisecond} {
			all.Go(func() {
				time.Sleep(after)
				c.spend(name, c.codes[step])
			})
		}
	}
}

func (c *crowd) spend(name, code string) {
	got := sent{url: c.https + "/factor/auth/login", json: map[string]string{"name": name, "password": "Secr3t-" + name, "code": code}}.ask(c.t, browserFrom("127.0.3.1", false))
	switch got.status {
	case 200:
		key := got.keyOf(c.t)
		c.keep(key, name)
		c.mu.Lock()
		c.taken[name+" "+code]++
		c.mu.Unlock()
		if !strings.Contains(got.body, `"name":"EXAMPLE\\`+name+`"`) {
			c.t.Errorf("a code of %s: got %s", name, got.body)
		}
	case 401: // spent
	case 503:
		c.unavailable.Add(1)
	default:
		c.t.Errorf("a code of %s: got %d %s", name, got.status, got.body)
	}
}

// intrude asks as nobody, who is let in at no time.
func (c *crowd) intrude() {
	client := browserFrom("127.0.3.2", false)
	for i := 0; !c.isOver(); i++ {
		time.Sleep(50 * time.Millisecond)
		r := []sent{{}, {cookies: sessionCookie + "=" + strings.Repeat("A", 43)}, {key: strings.Repeat("A", 43)}}[i%3]
		r.url = c.https + []string{"/", "/factor/x"}[i/3%2]
		if got := r.ask(c.t, client); got.status != 401 && got.status != 503 {
			c.t.Errorf("nobody, with %q %q: got %d %q", r.cookies, r.key, got.status, got.body)
		}
	}
}

// TestNodesInTrouble: threats E-07 and F-06. The server that two nodes share is
// killed and restarted, filled, slowed, frozen and cut off in the middle of as many log-ins
// as the machine makes. Nobody is somebody else, no code is good twice, no session that a node
// has given away is lost, and five seconds after the trouble both nodes open sessions.
func TestNodesInTrouble(t *testing.T) {
	const recovery = 5 * time.Second
	grantReading(t)
	c := newCrowd(t)
	c.nodes = startNodes(t, siteConfig{Servers: domain.LDAPS(1), LDAP: kerberosWords()})
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() { // each at an address of his own
			client := browserFrom(fmt.Sprintf("127.0.2.%d", i+1), false)
			for !c.isOver() {
				c.logInAndUse(client)
			}
		})
	}
	all.Go(c.spendCodes)
	all.Go(c.intrude)
	began := time.Now()
	end := sync.OnceFunc(func() { close(c.over); all.Wait() })
	defer end()
	c.redis.Suffer(t, recovery, func(since time.Time) bool {
		return c.well[0].Load() > since.UnixNano() && c.well[1].Load() > since.UnixNano()
	})
	end()
	c.judge(time.Since(began))
}

// judge compares what people were told with what holds now.
func (c *crowd) judge(took time.Duration) {
	byPassword := c.logIns.Load() + c.without.Load()
	c.t.Logf("%.0f log-ins a second for %v: %d by password, %d of them with a session, and three with each of %d codes, %d of them accepted; %d requests by sessions, %d told 503",
		float64(int(byPassword)+3*c.tried)/took.Seconds(), took.Round(time.Second), byPassword, c.logIns.Load(), c.tried, len(c.taken), c.uses.Load(), c.unavailable.Load())
	if c.logIns.Load() < 20 || c.uses.Load() < 20 || len(c.taken) < 10 || c.unavailable.Load() == 0 {
		c.t.Error("too little has worked, or nothing has failed")
	}
	for code, times := range c.taken {
		if times != 1 {
			c.t.Errorf("the code %s was accepted %d times", code, times)
		}
	}
	for i, s := range c.each {
		client := browserFrom("127.0.2.99", true)
		for token, name := range c.kept {
			if got := (sent{url: s.HTTPS + "/"}).with(token).ask(c.t, client); got.status != 200 || got.body != name {
				c.t.Errorf("a confirmed session of %s at node %d: got %d %q, reason %s", name, i, got.status, got.body, s.reason(c.t))
			}
		}
		client.CloseIdleConnections()
	}
}
