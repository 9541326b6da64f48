package caddyldap

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

const (
	connections = "caddy_windows_auth_ldap_connections_total"
	exchanges   = "caddy_windows_auth_ldap_exchange_duration_seconds"
	up          = "caddy_windows_auth_ldap_server_up"
)

// configuration stands for one that Caddy loads: a context with a registry.
func configuration(t *testing.T) caddy.Context {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	return ctx
}

func openIn(t *testing.T, ctx caddy.Context, name string, urls ...string) *Directory {
	t.Helper()
	d := &Directory{TLS: &TLS{InsecureSkipVerify: true}, Timeout: &Timeout{Dial: caddy.Duration(time.Second)}}
	for _, url := range urls {
		d.Server = append(d.Server, Server{URL: url})
	}
	if err := d.provision(ctx, zap.NewNop(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	return d
}

func TestMetrics(t *testing.T) {
	live := startDemo(t, nil)
	ctx := configuration(t)
	registry := ctx.GetMetricsRegistry()
	want := func(what string, want float64, name string, labels ...string) {
		t.Helper()
		if got, _ := metrictest.Sum(t, registry, name, labels...); got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	const dead = "ldaps://127.0.0.1:1"
	alive := "server=" + strings.TrimPrefix(live.LDAPS(), "ldaps://")
	d := openIn(t, ctx, "EXAMPLE", dead, live.LDAPS())
	openIn(t, ctx, "PARTNER", dead) // a second directory in the same registry
	want("before anybody asked", 3, up)
	client := &ntlm.Client{Domain: "EXAMPLE", User: "alice", Password: "Secr3t-alice"}
	if _, err := logInNTLM(t, d, client); err != nil {
		t.Fatal(err)
	}
	want("the dead server", 1, connections, "directory=EXAMPLE", "server=127.0.0.1:1", "outcome=unavailable")
	want("the one that lives", 1, connections, "directory=EXAMPLE", alive, "outcome=ok")
	want("the dead server is aside", 0, up, "directory=EXAMPLE", "server=127.0.0.1:1")
	want("the other is not", 1, up, "directory=EXAMPLE", alive)
	want("nor is the other directory's", 1, up, "directory=PARTNER")
	if got, _ := metrictest.Sum(t, registry, exchanges, "directory=EXAMPLE", alive); got < 3 {
		t.Errorf("got %v exchanges, want the two legs and a search at least", got)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.dial(gone, d.servers.list[0]); err == nil {
		t.Fatal("got a connection")
	}
	want("nobody waits", 1, connections, "directory=EXAMPLE", "outcome=given_up")
}

// A reload: the new configuration's directories come before the old ones go.
func TestMetricsSurviveAReload(t *testing.T) {
	live := startDemo(t, nil)
	first, second := configuration(t), configuration(t)
	old := openIn(t, first, "EXAMPLE", live.LDAPS())
	if _, err := logIn(t, old, "alice", "Secr3t-alice"); err != nil {
		t.Fatal(err)
	}
	before, _ := metrictest.Sum(t, first.GetMetricsRegistry(), connections, "directory=EXAMPLE")
	fresh := openIn(t, second, "EXAMPLE", live.LDAPS()+"/") // changed: it has its own view of the server
	old.servers.failed(old.servers.list[0], errLimit)
	if got, series := metrictest.Sum(t, second.GetMetricsRegistry(), up); got != 0 || series != 1 {
		t.Errorf("got %v in %d series while both are there, want 0 in 1", got, series)
	}
	old.stop()
	old.stop() // Stop and Cleanup both
	if got, series := metrictest.Sum(t, second.GetMetricsRegistry(), up); got != 1 || series != 1 {
		t.Errorf("got %v in %d series, want 1 in 1", got, series)
	}
	if got, _ := metrictest.Sum(t, second.GetMetricsRegistry(), connections, "directory=EXAMPLE"); got != before || got == 0 {
		t.Errorf("got %v connections, want %v", got, before)
	}
	fresh.stop()
	if _, kept := sharedMetrics.References(metricsKey); kept {
		t.Error("the metrics are kept without a directory")
	}
}

// The pool and the cache, and that two configurations with the same holdings
// count once.
func TestMetricsOfKeptThings(t *testing.T) {
	live := startDemo(t, nil)
	config := func() *Directory {
		d := demoDirectory(live)
		d.TLS = &TLS{InsecureSkipVerify: true}
		return d
	}
	open := func(ctx caddy.Context) *Directory {
		d := config()
		if err := d.provision(ctx, zap.NewNop(), "EXAMPLE"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.stop)
		return d
	}
	first, second := configuration(t), configuration(t)
	d := open(first)
	for range 3 {
		mustLogIn(t, d, "carol")
	}
	mustLogIn(t, d, "alice")
	giveBack := hold(t, d, 1)
	open(second)
	want := func(what string, want float64, name string, labels ...string) {
		t.Helper()
		if got, series := metrictest.Sum(t, second.GetMetricsRegistry(), name, labels...); got != want || series == 0 {
			t.Errorf("%s: got %v in %d series, want %v", what, got, series, want)
		}
	}
	const pool, cache = "caddy_windows_auth_ldap_pool_connections", "caddy_windows_auth_cache_"
	want("the pool", 1, pool, "directory=EXAMPLE", "server="+strings.TrimPrefix(live.LDAPS(), "ldaps://"))
	want("in use", 1, pool+"_in_use", "directory=EXAMPLE")
	want("identities", 2, cache+"identities", "directory=EXAMPLE")
	want("hits", 2, cache+"lookups_total", "outcome=hit")
	want("misses", 2, cache+"lookups_total", "outcome=miss")
	giveBack()
	want("nobody uses it", 0, pool+"_in_use")
}
