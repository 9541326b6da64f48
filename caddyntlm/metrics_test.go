package caddyntlm

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
)

// CaddyModule makes the fake a verifier with a name.
func (*fakeDirectory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "ldap.verifiers.fake"}
}

func (*fakeTickets) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "ldap.verifiers.fake_tickets"}
}

// figure is the sum of a metric's series that have all the labels.
func figure(t *testing.T, from prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	sum, _ := metrictest.Sum(t, from, name, labels...)
	return sum
}

// configOf is a configuration of one site.
func configOf(t *testing.T, handlers string) []byte {
	return fmt.Appendf(nil, `{
		"admin": {"disabled": true, "config": {"persist": false}},
		"storage": {"module": "file_system", "root": %q},
		"logging": {"logs": {"default": {"level": "PANIC"}}},
		"apps": {"tls": {"disable_storage_check": true, "disable_storage_clean": true}, "http": {"servers": {"s": {
			"listen": ["127.0.0.1:0"], "automatic_https": {"disable": true}, "routes": [{"handle": [%s]}]}}}}}`, t.TempDir(), handlers)
}

// running is the registry of the configuration that runs.
func running() *prometheus.Registry {
	ctx := caddy.ActiveContext()
	return ctx.GetMetricsRegistry()
}

const (
	decisions  = "caddy_windows_auth_decisions_total"
	logins     = "caddy_windows_auth_login_duration_seconds"
	pending    = "caddy_windows_auth_pending_handshakes"
	remembered = "caddy_windows_auth_connections_remembered"
)

func TestDecisionsAreCounted(t *testing.T) {
	d := newDoor(t, func(d *door) { d.AllowPreflight = true })
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(d.meter.metrics); err != nil {
		t.Fatal(err)
	}
	c := d.dial(t)
	c.get()
	c.login("alice", "secret-a")
	c.get()
	c.get()
	c.login("alice", "wrong")
	c.get(basic("bob", "secret-b"))
	c.get(basic("bob", "secret-b")) // remembered: no log-in
	d.dir.failures["bob"] = errUnavailable()
	c.get(basic("bob", "another"))
	d.dir.start = func(context.Context) error { return identity.Fail(identity.KindTLS, nil) }
	c.get(type1())
	c.get("Authorization: Bearer x")
	c.get("Authorization: NTLM ???")
	c = d.dial(t) // the last answer closed the connection
	c.send("OPTIONS", "/", "", "Origin: https://app.example.com", "Access-Control-Request-Method: PUT")
	c.receive("OPTIONS")
	for _, tt := range []struct {
		labels string
		want   float64
	}{
		{"event=challenge reason=no_credentials scheme= verifier= directory=", 1},
		{"event=waive reason=preflight scheme= verifier= directory=", 1},
		{"event=challenge reason=type_2 scheme=ntlm verifier=fake directory=EXAMPLE", 2},
		{"event=allow reason= scheme=ntlm verifier=fake directory=EXAMPLE", 3},
		{"event=refuse reason=bad_credentials scheme=ntlm verifier=fake directory=EXAMPLE", 1},
		{"event=allow reason= scheme=basic verifier=fake directory=EXAMPLE", 2},
		{"event=fail reason=unavailable scheme=basic verifier=fake directory=EXAMPLE", 1},
		{"event=fail reason=tls scheme=ntlm verifier=fake directory=EXAMPLE", 1},
		{"event=refuse reason=scheme_not_offered scheme=other verifier= directory=", 1},
		{"event=refuse reason=malformed scheme=ntlm verifier=fake directory=EXAMPLE", 1},
	} {
		if got := figure(t, registry, decisions, strings.Fields(tt.labels)...); got != tt.want {
			t.Errorf("got %v decisions with %s, want %v", got, tt.labels, tt.want)
		}
	}
	if got := figure(t, registry, decisions); got != 14 {
		t.Errorf("got %v decisions in all, want 14", got)
	}
	for scheme, want := range map[string]float64{"ntlm": 3, "basic": 2} {
		if got := figure(t, registry, logins, "scheme="+scheme, "verifier=fake"); got != want {
			t.Errorf("got %v %s log-ins, want %v", got, scheme, want)
		}
	}
}

func TestNegotiateIsCounted(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(d.meter.metrics)
	c := d.dial(t)
	c.loginNegotiate("alice", "secret-a").wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	for labels, want := range map[string]float64{
		"event=allow scheme=negotiate verifier=fake directory=EXAMPLE":                   2,
		"event=challenge reason=type_2 scheme=negotiate verifier=fake directory=EXAMPLE": 1,
	} {
		if got := figure(t, registry, decisions, strings.Fields(labels)...); got != want {
			t.Errorf("got %v decisions with %s, want %v", got, labels, want)
		}
	}
	if got := figure(t, registry, logins, "scheme=negotiate", "verifier=fake"); got != 1 {
		t.Errorf("got %v log-ins, want 1", got)
	}
}

func TestBypassIsCounted(t *testing.T) {
	d := loadBypassing(t, "", `[{"path": ["/health"]}]`)
	before := figure(t, running(), decisions, "event=bypass")
	c := d.dial(t)
	c.send("GET", "/health", "")
	c.receive("GET").wantText(t, nobodyThere)
	c.get().want(t, 401, both...)
	if got := figure(t, running(), decisions, "event=bypass", "reason=", "scheme="); got != before+1 {
		t.Errorf("got %v, want %v", got, before+1)
	}
}

// The controller's time counts, that of the client between the legs does not.
func TestLoginDuration(t *testing.T) {
	d := newDoor(t, nil)
	slow := func(context.Context) error { time.Sleep(60 * time.Millisecond); return nil }
	d.dir.start, d.dir.finish = slow, slow
	c := d.dial(t)
	first := c.get(type1())
	time.Sleep(300 * time.Millisecond)
	c.get(type3(first.challenge(), "alice", "secret-a")).wantUser(t, "alice")
	registry := prometheus.NewRegistry()
	registry.MustRegister(d.meter.metrics)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, series := range family.GetMetric() {
			if h := series.GetHistogram(); h.GetSampleCount() == 1 {
				if sum := h.GetSampleSum(); sum < .12 || sum > .35 {
					t.Errorf("got %v s, want the 0.12 s of the controller", sum)
				}
				return
			}
		}
	}
	t.Error("got no log-in")
}

// B-04, A-23: 50 handshakes are abandoned in each of three ways.
func TestGaugesDoNotDrift(t *testing.T) {
	want := func(what string, handshakes, seats float64) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for {
			gotHandshakes, gotSeats := figure(t, running(), pending), figure(t, running(), remembered)
			if gotHandshakes == handshakes && gotSeats == seats {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: got %v handshakes and %v seats, want %v and %v", what, gotHandshakes, gotSeats, handshakes, seats)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	abandon := func(d *caddyDoor) (clients []*client) {
		for range 50 {
			c := d.dial(t)
			c.get(type1())
			clients = append(clients, c)
		}
		return clients
	}
	d := loadCaddy(t, "")
	d.pending = newQuota(512, 512) // they all come from one address
	d.limits.handshake = 200 * time.Millisecond
	want("start", 0, 0)
	abandon(d)
	want("handshakes that time out", 0, 0)
	d.limits.handshake = time.Minute
	gone := abandon(d)
	want("handshakes that wait", 50, 0)
	for _, c := range gone {
		_ = c.nc.Close()
	}
	want("clients that are gone", 0, 0)
	for range 10 {
		d.dial(t).login("alice", "secret-a").wantUser(t, "alice")
	}
	abandon(d)
	want("log-ins", 50, 10)
	fresh := loadCaddy(t, `"max_header_bytes": 65536,`)
	want("reload", 0, 0)
	c := fresh.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	want("a log-in after it", 0, 1)
	c.get(type1())
	want("another on the same connection", 1, 0)
	_ = c.nc.Close()
	want("and gone", 0, 0)
}

func TestMetricsSurviveAReload(t *testing.T) {
	d := loadCaddy(t, "")
	before := figure(t, running(), decisions, "event=allow")
	d.dial(t).get(basic("alice", "secret-a")).wantUser(t, "alice")
	fresh := loadCaddy(t, `"max_header_bytes": 65536,`)
	fresh.dial(t).get(basic("alice", "secret-a")).wantUser(t, "alice")
	if got := figure(t, running(), decisions, "event=allow"); got != before+2 {
		t.Errorf("got %v, want %v", got, before+2)
	}
	if users, _ := sharedMetrics.References(metricsKey); users != 1 {
		t.Errorf("got %d doors counted, want 1", users)
	}
	if err := caddy.Load(configOf(t, `{"handler": "test_door"}, {"handler": "test_door"}, {"handler": "no_such"}`), true); err == nil {
		t.Fatal("a wrong configuration was loaded")
	}
	if users, _ := sharedMetrics.References(metricsKey); users != 1 {
		t.Errorf("got %d doors counted after a wrong configuration, want 1", users)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, kept := sharedMetrics.References(metricsKey); kept {
		t.Error("the metrics are kept without a configuration")
	}
}

// F-12, F-15: nothing that a client chooses becomes a label.
func TestLabelsHoldNoClientsText(t *testing.T) {
	d := loadCaddy(t, "")
	c := d.dial(t)
	c.login("alice", "secret-a")
	for i := range 20 {
		c.get(basic(fmt.Sprintf("stranger-%d", i), "secret-x"))
		c.get(fmt.Sprintf("Authorization: Scheme-%d token", i))
		c.send("GET", fmt.Sprintf("/path-%d", i), "")
		c.receive("GET")
	}
	families, err := running().Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "caddy_windows_auth_") {
			continue
		}
		series += len(family.GetMetric())
		for _, text := range []string{"alice", "stranger", "secret", "Scheme-", "path-", "127.0.0.1"} {
			if strings.Contains(family.String(), text) {
				t.Errorf("%s holds %q", family.GetName(), text)
			}
		}
	}
	if series == 0 || series > 40 {
		t.Errorf("got %d series, want a few", series)
	}
}

var (
	described = regexp.MustCompile(`fqName: "(caddy_windows_auth_\w+)".*variableLabels: \{([^}]*)\}`)
	metricRow = regexp.MustCompile("(?m)^\\| `(caddy_windows_auth_\\w+)` \\| [a-z]+ \\|([^|]*)\\|")
)

// docs/metrics.md has each metric of the house with its labels, and no other.
func TestMetricsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		labels := strings.Fields(strings.ReplaceAll(row[2], "`", ""))
		slices.Sort(labels)
		told[row[1]] = strings.Join(labels, " ")
	}
	if err := caddy.Load(configOf(t, `{"handler": "windows_auth", "directory": {"server": [{"url": "ldaps://127.0.0.1:1"}]}}`), true); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	}()
	all := make(chan *prometheus.Desc)
	go func() {
		defer close(all)
		running().Describe(all)
	}()
	registered := map[string]string{}
	for desc := range all {
		if found := described.FindStringSubmatch(desc.String()); found != nil {
			labels := strings.Split(found[2], ",")
			slices.Sort(labels)
			registered[found[1]] = strings.Join(labels, " ")
		}
	}
	if !maps.Equal(told, registered) {
		t.Errorf("docs/metrics.md tells of\n%v, registered are\n%v", told, registered)
	}
	for _, name := range regexp.MustCompile(`caddy_windows_auth_\w+`).FindAllString(string(page), -1) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if _, ok := registered[base]; !ok {
			t.Errorf("docs/metrics.md mentions %s, which nothing registers", name)
		}
	}
}
