package redis

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// The people: those who owe a code spend one in 30 seconds, and two at once to begin with,
// since clocks differ; of the others nobody opens a hundred sessions, where the oldest ends.
const (
	coders, others = 220, 120
	factorSecret   = "M5ZGCY3FMZXXE3DPM5UW4YLQMFUWE43F"
)

// atOnce is how many are under way at a time: a slow machine is offered less, and not a
// queue that it never comes to the end of.
const atOnce = 100

func nameOf(i int) string           { return fmt.Sprintf("person%dx", i) }
func passwordOf(name string) string { return "Secr3t-" + name }

// startDirectory runs a directory with the people until the test ends.
func startDirectory(t *testing.T) *demodir.Server {
	t.Helper()
	config := demodir.Config{
		Domain: "EXAMPLE", DNSDomain: "example.test", Groups: []demodir.Group{{Name: "Coders"}},
		Users:   []demodir.User{{Name: "svc-web", Password: passwordOf("svc-web")}},
		Readers: map[string][]string{demodir.DemoFactorAttribute: {"svc-web"}},
	}
	for i := range coders + others {
		user := demodir.User{Name: nameOf(i), Password: passwordOf(nameOf(i))}
		if i < coders {
			user.Groups = []string{"Coders"}
			user.Attributes = map[string][]string{demodir.DemoFactorAttribute: {"otpauth://totp/" + user.Name + "?secret=" + factorSecret}}
		}
		config.Users = append(config.Users, user)
	}
	directory, err := demodir.Start(config)
	check(t, err)
	t.Cleanup(func() { check(t, directory.Close()) })
	return directory
}

// people log in at two nodes with what is right, and remember what they were told.
type people struct {
	t        *testing.T
	nodes    [2]string
	visitors []visitor // each at an address of its own
	page     form
	codes    map[int64]string // of the steps of 30 seconds that may come
	latest   map[string]int64 // the step of somebody's last code; come's alone, as tried is
	tried    int
	places   chan struct{} // as many as may be under way
	began    time.Time

	mu   sync.Mutex
	kept []opening // that a node has confirmed

	offered, skipped, unavailable, spent, uses, accepted, wrongs atomic.Int64
	answered                                                     [60]atomic.Int64 // log-ins, by the second
	opened, used                                                 [2]atomic.Int64  // when a node last did, in Unix nanoseconds
}

// opening is a session and whose it is.
type opening struct{ token, name string }

// oathtool makes a code of a step by OATH Toolkit.
func oathtool(t *testing.T, step int64) string {
	t.Helper()
	at := time.Unix(step*30, 0).UTC().Format("2006-01-02 15:04:05 UTC")
	out, err := exec.Command("oathtool", "--totp=SHA1", "--base32", "--now", at, factorSecret).CombinedOutput()
	if err != nil {
		t.Fatalf("oathtool: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func newPeople(t *testing.T, nodes [2]string) *people {
	t.Helper()
	p := &people{t: t, nodes: nodes, codes: make(map[int64]string), latest: make(map[string]int64), places: make(chan struct{}, atOnce)}
	now := time.Now().Unix() / 30
	for step := now; step < now+4; step++ {
		p.codes[step] = oathtool(t, step)
	}
	for i := range 40 {
		p.visitors = append(p.visitors, newVisitor(fmt.Sprintf("127.0.4.%d", i+1)))
	}
	t.Cleanup(func() {
		for _, v := range p.visitors {
			v.CloseIdleConnections()
		}
	})
	p.page = p.anybody().openPage(t, nodes[0])
	return p
}

// wrong is an error; the first ones say what the others would.
func (p *people) wrong(format string, args ...any) {
	p.t.Helper()
	if n := p.wrongs.Add(1); n <= 20 {
		p.t.Errorf(format, args...)
	}
}

func (p *people) anybody() visitor { return p.visitors[rand.IntN(len(p.visitors))] }

// come has two hundred log-ins a second begin, until it is over: of each six three are by
// password, and three are tries of one code, of which two are made at once at two nodes.
// Where nobody has a code yet that he has not spent, all six are by password.
func (p *people) come(over <-chan struct{}) {
	var all sync.WaitGroup
	defer all.Wait()
	for i := 0; ; i++ {
		select {
		case <-over:
			return
		case <-time.After(time.Until(p.began.Add(time.Duration(i) * 30 * time.Millisecond))):
		}
		plain := 3
		if name, code := p.nextCode(i); code != "" {
			p.tried++
			all.Go(func() { p.spend(name, code) })
		} else {
			plain = 6
		}
		for j := range plain {
			p.begin(&all, func() { p.logIn((i+j)%2, nameOf(coders+(3*i+j)%others), "") })
		}
		if i%8 == 0 {
			all.Go(func() { p.intrude(i / 8) })
		}
	}
}

// begin runs a log-in where there is a place.
func (p *people) begin(all *sync.WaitGroup, logIn func()) {
	p.offered.Add(1)
	select {
	case p.places <- struct{}{}:
		all.Go(func() {
			defer func() { <-p.places }()
			logIn()
		})
	default:
		p.skipped.Add(1)
	}
}

// nextCode is one that nobody has tried and that stays good for half a minute at least.
func (p *people) nextCode(i int) (name, code string) {
	name = nameOf(i % coders)
	now := time.Now().Unix() / 30
	step := max(p.latest[name]+1, now)
	if step > now+1 {
		return "", ""
	}
	p.latest[name] = step
	return name, p.codes[step]
}

// spend tries a code at both nodes at once, and later once more. It opens once, and is
// refused only where it may have opened before.
func (p *people) spend(name, code string) {
	var all sync.WaitGroup
	var statuses [3]int
	for i := range 2 {
		p.begin(&all, func() { statuses[i] = p.logIn(i, name, code) })
	}
	all.Wait()
	if statuses[0] == http.StatusUnauthorized && statuses[1] == http.StatusUnauthorized {
		p.wrong("a code of %s was refused at both nodes at once", name)
	}
	time.Sleep(1500 * time.Millisecond) // when a trouble has begun or is over
	p.begin(&all, func() { statuses[2] = p.logIn(rand.IntN(2), name, code) })
	all.Wait()
	accepted := 0
	for _, status := range statuses {
		if status == http.StatusOK {
			accepted++
		}
	}
	p.accepted.Add(int64(min(accepted, 1)))
	if accepted > 1 {
		p.wrong("a code of %s was accepted %d times: got %v", name, accepted, statuses)
	}
}

// logIn logs somebody in at a node, as a program or as a browser, and gives a status: that
// of success is 200 for both. Whoever gets a session uses it at both nodes.
func (p *people) logIn(node int, name, code string) (status int) {
	v := p.anybody()
	byForm := rand.IntN(2) == 0
	var said told
	var err error
	if byForm {
		said, err = v.byForm(p.nodes[node], name, code, p.page)
	} else {
		said, err = v.byJSON(p.nodes[node], name, code)
	}
	p.answered[min(int(time.Since(p.began).Seconds()), len(p.answered)-1)].Add(1)
	switch {
	case err != nil:
		p.wrong("%s logs in at node %d: %v", name, node, err)
	case byForm && said.status == http.StatusSeeOther && said.token != "", !byForm && said.status == http.StatusOK && said.body == name:
		p.opened[node].Store(time.Now().UnixNano())
		p.keep(opening{said.token, name})
		return http.StatusOK
	case said.status == http.StatusServiceUnavailable && said.retryAfter != "":
		p.unavailable.Add(1)
	case said.status == http.StatusUnauthorized && code != "":
		p.spent.Add(1)
	default:
		p.wrong("%s logs in at node %d with %q, by form %v: got %d, Retry-After %q, %s", name, node, code, byForm, said.status, said.retryAfter, said.body)
	}
	return said.status
}

// keep notes a session, and uses it and another one at both nodes.
func (p *people) keep(s opening) {
	p.mu.Lock()
	p.kept = append(p.kept, s)
	other := p.kept[rand.IntN(len(p.kept))]
	p.mu.Unlock()
	for i, s := range []opening{s, s, other} {
		p.use(i%2, s)
	}
}

// use uses a session at a node: it is its owner's, or nobody can say.
func (p *people) use(node int, s opening) (status int) {
	said, err := p.anybody().use(p.nodes[node], s.token)
	switch {
	case err != nil:
		p.wrong("a session of %s at node %d: %v", s.name, node, err)
	case said.status == http.StatusOK && said.body == s.name:
		p.uses.Add(1)
		p.used[node].Store(time.Now().UnixNano())
	case said.status == http.StatusServiceUnavailable && said.retryAfter != "":
		p.unavailable.Add(1)
	default:
		p.wrong("a session of %s at node %d: got %d, Retry-After %q, %s", s.name, node, said.status, said.retryAfter, said.body)
	}
	return said.status
}

// intrude asks as nobody, who is let in at no time.
func (p *people) intrude(i int) {
	token := []string{sessionCookie + "=" + strings.Repeat("A", 43), "Bearer " + strings.Repeat("A", 43)}[i%2]
	said, err := p.anybody().use(p.nodes[i/2%2], token)
	if err != nil || said.status != http.StatusUnauthorized && said.status != http.StatusServiceUnavailable {
		p.wrong("nobody, with %s: got %d %s, %v", token, said.status, said.body, err)
	}
}
