package caddyldap

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
)

// TestDiscoverKeepsTheList: threats E-07. Whatever goes wrong with DNS, the
// former controllers serve, and the log says so once a minute.
func TestDiscoverKeepsTheList(t *testing.T) {
	z := new(zone)
	z.set(dcName, "a.example.com:389")
	x := discoverIn(t, z, example(""))
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	lines := func() int { return x.logs.FilterMessage("DNS names no controllers; the former ones stay in use").Len() }
	for i, spoil := range []func(){
		func() { z.set(dcName) },
		func() { z.remove(dcName) },
		func() { z.set(dcName, "stranger.example.org:389") },
		func() { z.fail(dcName, &net.DNSError{Err: "server misbehaving", IsTemporary: true}) },
		func() { z.fail(dcName, context.DeadlineExceeded) },
	} {
		spoil()
		for range 2 {
			x.wait(20)
			<-x.servers.finder.look()
			if err := x.servers.finder.failure(); identity.KindOf(err) != identity.KindUnavailable {
				t.Errorf("%d: got %v, want %v", i, err, identity.KindUnavailable)
			}
			x.wait(10)
		}
		if got := lines(); got != i+1 {
			t.Errorf("%d: got %d lines, want %d: one a minute", i, got, i+1)
		}
		x.want(t, fmt.Sprint(i), "a.example.com:636")
		if who, _, err := x.ask(t); who != "a.example.com:636" || err != nil {
			t.Errorf("%d: got %s, %v", i, who, err)
		}
	}
	z.set(dcName, "b.example.com:389")
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	x.want(t, "DNS is back", "b.example.com:636")
}

// TestDiscoverAfterAllFail: who finds no known controller alive has DNS asked,
// and is served by the one that it names now; a dead domain is not asked after
// all the time.
func TestDiscoverAfterAllFail(t *testing.T) {
	z := new(zone)
	z.set(dcName, "1/a.example.com:389", "2/b.example.com:389")
	x := discoverIn(t, z, example(""))
	if who, _, _ := x.ask(t); who != "a.example.com:636" {
		t.Fatalf("got %s", who)
	}
	z.queries()
	x.setDown(true, "a.example.com:636")
	if who, _, _ := x.ask(t); who != "b.example.com:636" || len(z.queries()) > 0 {
		t.Errorf("got %s: one is alive, nobody need ask DNS", who)
	}
	x.setDown(true, "b.example.com:636")
	x.wait(10)
	z.set(dcName, "1/c.example.com:389", "2/b.example.com:389")
	who, dials, err := x.ask(t)
	if who != "c.example.com:636" || err != nil || !slices.Contains(dials, "b.example.com:636") {
		t.Errorf("got %s by %v, %v", who, dials, err)
	}
	x.setDown(true, "c.example.com:636")
	z.queries()
	for range 50 {
		x.wait(1)
		if _, _, err := x.ask(t); err == nil {
			t.Fatal("got an answer")
		}
	}
	if asked := len(z.queries()); asked < 10 || asked > 25 {
		t.Errorf("asked DNS %d times in 50 s, want every other second", asked)
	}
}

// TestDiscoverWhileDialsHang: DNS is asked also where patience ends before all
// known controllers have let somebody wait in vain.
func TestDiscoverWhileDialsHang(t *testing.T) {
	z := new(zone)
	z.set(dcName, "a.example.com:389")
	x := discoverIn(t, z, example(""))
	x.setDown(true, "a.example.com:636")
	if _, _, err := x.ask(t); err == nil {
		t.Fatal("got an answer")
	}
	z.set(dcName, "b.example.com:389")
	x.wait(10)
	x.servers.dial = func(ctx context.Context, _ *server) (*conn, error) { <-ctx.Done(); return nil, context.Cause(ctx) }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := x.servers.try(ctx, func(context.Context, *conn) error { return nil }); err == nil {
		t.Fatal("got an answer")
	}
	await(t, "the new list", func() bool { return slices.Equal(x.list(), []string{"b.example.com:636"}) })
}

// TestDiscoverHangs: DNS that does not answer holds up nobody for whom a server
// is known, and a dead domain for no more than a moment.
func TestDiscoverHangs(t *testing.T) {
	z := &zone{hold: make(chan struct{})}
	config := example("")
	config.Server = []Server{{URL: "ldaps://dc1.example.com"}}
	x := discoverIn(t, z, config)
	began := time.Now()
	x.servers.finder.look()
	if who, _, err := x.ask(t); who != "dc1.example.com:636" || err != nil {
		t.Errorf("got %s, %v", who, err)
	}
	x.setDown(true, "dc1.example.com:636")
	if _, _, err := x.ask(t); err == nil {
		t.Error("got an answer")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	alone := discoverIn(t, z, example(""))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := alone.servers.try(ctx, func(context.Context, *conn) error { return nil })
	if identity.KindOf(err) != identity.KindTimeout || hintIn(err) == "" {
		t.Errorf("nothing known: got %v", err)
	}
	close(z.hold)
}

// TestDiscoverBesideServers: those of the configuration first, each controller once.
func TestDiscoverBesideServers(t *testing.T) {
	z := new(zone)
	z.set(dcName, "0/dc9.example.com:389", "1/DC1.example.com:389", "2/dc2.example.com:389", "3/dc2.example.com:636")
	config := example("")
	config.Server = []Server{{URL: "ldaps://dc2.example.com:1636"}, {URL: "ldaps://dc3.example.com"}}
	x := discoverIn(t, z, config)
	x.want(t, "before DNS is asked", "dc2.example.com:1636", "dc3.example.com:636")
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	x.want(t, "after", "dc2.example.com:1636", "dc3.example.com:636", "dc9.example.com:636", "dc1.example.com:636")
	for i, sv := range x.servers.all() {
		if sv.rank.Load() != int64(i) || sv.discovered != (i > 1) {
			t.Errorf("%s: got rank %d, discovered %v", sv.url.Addr(), sv.rank.Load(), sv.discovered)
		}
	}
	x.setDown(true, "dc2.example.com:1636", "dc3.example.com:636")
	if who, _, _ := x.ask(t); who != "dc9.example.com:636" {
		t.Errorf("got %s, want the first that DNS names", who)
	}
}

// TestDiscoverStanding: what became of a server survives a refresh, and the
// order stays while the records do.
func TestDiscoverStanding(t *testing.T) {
	z := new(zone)
	all := []string{"a.example.com:389", "b.example.com:389", "c.example.com:389", "d.example.com:389", "e.example.com:389"}
	z.set(dcName, all...)
	x := discoverIn(t, z, example(""))
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	order := x.list()
	before := x.servers.all()
	x.setDown(true, order[0])
	if who, _, _ := x.ask(t); who != order[1] {
		t.Fatalf("got %s", who)
	}
	for range 10 {
		slices.Reverse(all)
		all[0], all[1] = all[1], all[0]
		z.set(dcName, all...)
		if err := x.refresh(); err != nil {
			t.Fatal(err)
		}
		x.want(t, "the records in another order", order...)
	}
	z.set(dcName, append(all, "f.example.com:389")...)
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	after := x.servers.all()
	if len(after) != 6 {
		t.Errorf("got %v", x.list())
	}
	for _, sv := range before {
		if !slices.Contains(after, sv) {
			t.Errorf("%s is another one", sv.url.Addr())
		}
	}
	if out := x.servers.aside(); !out[order[0]] || out[order[1]] {
		t.Errorf("got aside %v, want %s alone", out, order[0])
	}
	if who, _, _ := x.ask(t); who != order[1] {
		t.Errorf("got %s, want %s, which was in use and works", who, order[1])
	}
}

// TestDiscoverGoesBackToTheNear: RFC 2782, the lowest number that can be reached.
func TestDiscoverGoesBackToTheNear(t *testing.T) {
	z := new(zone)
	z.set(siteName, "near.example.com:389")
	z.set(dcName, "far.example.com:389", "near.example.com:389")
	x := discoverIn(t, z, example("Berlin"))
	near, far := "near.example.com:636", "far.example.com:636"
	x.setDown(true, near)
	if who, _, _ := x.ask(t); who != far {
		t.Errorf("the near one down: got %s", who)
	}
	x.setDown(false, near)
	await(t, "back to the near one", func() bool { x.wait(2); who, _, _ := x.ask(t); return who == near })
	busy := map[string]int{near: 7}
	var first string
	_ = x.servers.spread(t.Context(), func(sv *server) int { return busy[sv.url.Addr()] }, func(_ context.Context, c *conn) error {
		first = c.server.url.Addr()
		return nil
	})
	if first != near {
		t.Errorf("one connection more goes to %s, want none to a far controller while a near one serves", first)
	}
}

// TestDiscoverForgetsTheGone: a server that DNS names no longer loses its
// connections and its figures; what is under way on it ends well.
func TestDiscoverForgetsTheGone(t *testing.T) {
	a, b := startDemo(t, nil), startDemo(t, nil)
	z := new(zone)
	z.set(dcName, "1/a.example.com:1000")
	config := demoDirectory(a)
	config.Server, config.Discover, config.TLS = nil, &Discover{DNSDomain: "example.com"}, &TLS{InsecureSkipVerify: true}
	config.resolver = z
	ctx := configuration(t)
	if err := config.provision(ctx, zap.NewNop(), "EXAMPLE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(config.stop)
	x := &discovery{Directory: config, zone: z}
	x.now = func() time.Time { return time.Unix(1e9+x.clock.Load(), 0) }
	there := map[string]string{"a.example.com:1000": a.LDAPS(), "b.example.com:1000": b.LDAPS()}
	x.servers.dial = func(ctx context.Context, sv *server) (*conn, error) {
		url, _ := ParseServer(there[sv.url.Addr()])
		c, err := x.connect(ctx, &server{url: url, tls: sv.tls})
		x.metrics.dialled(ctx, x.name, sv, err)
		if err == nil {
			c.server = sv
		}
		return c, err
	}
	giveBack := hold(t, config, 1)
	old := x.servers.all()[0]
	figures := func(server string) int {
		_, series := metrictest.Sum(t, ctx.GetMetricsRegistry(), connections, "server="+server)
		_, more := metrictest.Sum(t, ctx.GetMetricsRegistry(), exchanges, "server="+server)
		_, up := metrictest.Sum(t, ctx.GetMetricsRegistry(), up, "server="+server)
		return b2i(series > 0) + b2i(more > 0) + b2i(up > 0)
	}
	if got := figures("a.example.com:1000"); got != 3 {
		t.Errorf("got %d kinds of figures, want 3", got)
	}
	z.set(dcName, "1/b.example.com:1000")
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	if got := figures("a.example.com:1000"); got != 0 {
		t.Errorf("got %d kinds of figures of a server that is gone", got)
	}
	if a.Connections() != 1 {
		t.Errorf("got %d connections, want the one on which something is asked", a.Connections())
	}
	giveBack()
	await(t, "the connection closed", func() bool { return a.Connections() == 0 })
	x.metrics.dialled(t.Context(), x.name, old, nil) // somebody was about to
	x.servers.failed(old, errLimit)
	x.servers.answered(old)
	if got := figures("a.example.com:1000"); got != 0 {
		t.Errorf("got %d kinds of figures again", got)
	}
	if err := config.service.do(t.Context(), func(c *conn, _ rootDSE) error {
		if c.server == old {
			t.Error("the server that is gone was asked")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestDiscoverAtIntervals: DNS is asked again though nobody needs a server, and
// it ends with the directory.
func TestDiscoverAtIntervals(t *testing.T) {
	z := new(zone)
	z.set(dcName, "a.example.com:389")
	x := discoverIn(t, z, example(""))
	x.Directory.now = func() time.Time { return time.Unix(x.clock.Add(5), 0) }
	x.servers.finder.every = 5 * time.Millisecond
	x.start()
	await(t, "the first", func() bool { return slices.Equal(x.list(), []string{"a.example.com:636"}) })
	z.set(dcName, "b.example.com:389")
	await(t, "another", func() bool { return slices.Equal(x.list(), []string{"b.example.com:636"}) })
	z.fail(dcName, context.DeadlineExceeded)
	await(t, "a failure", func() bool { return x.servers.finder.failure() != nil })
	z.set(dcName, "c.example.com:389")
	await(t, "the end of it", func() bool { return slices.Equal(x.list(), []string{"c.example.com:636"}) })
}

// TestDiscoverSurvivesAReload: the list is there at once, and ends with the last
// configuration; another site is another directory.
func TestDiscoverSurvivesAReload(t *testing.T) {
	z := new(zone)
	z.set(dcName, "a.example.com:389")
	x := discoverIn(t, z, example(""))
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	z.queries()
	same, _ := open(t, example(""), "EXAMPLE")
	other, _ := open(t, example("Berlin"), "EXAMPLE")
	if same.servers != x.servers || same.Key() != x.Key() || other.servers == x.servers || other.Key() == x.Key() {
		t.Error("the unchanged directory has another list, or the changed one the same")
	}
	if asked := z.queries(); len(asked) > 0 {
		t.Errorf("asked for %v", asked)
	}
	if nameless, _ := open(t, example(""), ""); nameless.Name() != "example.com" {
		t.Errorf("got the name %s", nameless.Name())
	}
}

// TestDiscoverSelfTest: the log says what is wrong with DNS.
func TestDiscoverSelfTest(t *testing.T) {
	x := discoverIn(t, new(zone), example(""))
	x.selfTest(t.Context())
	if lines := x.logs.FilterMessage("self-test: DNS does not say which controllers there are").All(); len(lines) != 1 || lines[0].ContextMap()["hint"] == nil {
		t.Errorf("got %v", x.logs.All())
	}
}

// TestDiscoverExamined: the doctor says what DNS says.
func TestDiscoverExamined(t *testing.T) {
	z := new(zone)
	x := discoverIn(t, z, example(""))
	examine := func() (servers []string, about Observation) {
		x.wait(60)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begin := func(server string) {
			servers = append(servers, server)
			cancel() // no host of these names is looked for
		}
		x.Examine(ctx, make(Refusals), nil, begin, func(o Observation) {
			if o.About == "discover" {
				about = o
			}
		})
		return servers, about
	}
	if servers, about := examine(); !slices.Equal(servers, []string{""}) || about.Level != Faulty || about.Hint == "" {
		t.Errorf("nothing there: got %q, %+v", servers, about)
	}
	z.set(dcName, "a.example.com:389")
	if servers, about := examine(); !slices.Equal(servers, []string{"ldaps://a.example.com:636", ""}) || about.Level != Well {
		t.Errorf("one there: got %q, %+v", servers, about)
	}
	z.set(dcName, "a.example.org:389")
	if servers, about := examine(); len(servers) != 2 || about.Level != Faulty || !strings.Contains(about.Text, "a.example.org:389 (not below example.com)") {
		t.Errorf("a stranger there: got %q, %+v", servers, about)
	}
}

// TestDiscoverWhileInUse: the list changes under those who use it.
func TestDiscoverWhileInUse(t *testing.T) {
	z := new(zone)
	z.set(dcName, "a.example.com:389")
	x := discoverIn(t, z, example(""))
	var users sync.WaitGroup
	end := make(chan struct{})
	for range 8 {
		users.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if err := x.servers.try(t.Context(), func(context.Context, *conn) error { return nil }); err != nil {
					t.Error(err)
				}
				_ = x.servers.spread(t.Context(), func(*server) int { return 0 }, func(context.Context, *conn) error { return nil })
				x.servers.aside()
			}
		})
	}
	for i := range 200 {
		z.set(dcName, fmt.Sprintf("dc%d.example.com:389", i%7), fmt.Sprintf("dc%d.example.com:389", i%5))
		if err := x.refresh(); err != nil {
			t.Error(err)
		}
	}
	close(end)
	users.Wait()
}
