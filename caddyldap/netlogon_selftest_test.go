package caddyldap

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// lines are the levels of a log, and the hints in it.
func lines(logs *observer.ObservedLogs) (levels, hints string) {
	for _, e := range logs.TakeAll() {
		if e.Level < zapcore.InfoLevel || strings.Contains(e.Message, "put aside") {
			continue
		}
		levels += e.Level.String() + " "
		hint, _ := e.ContextMap()["hint"].(string)
		hints += hint
	}
	return strings.TrimSpace(levels), hints
}

// TestNetlogonSelfTest: each controller is asked once, and what it will not do is
// told with the cure.
func TestNetlogonSelfTest(t *testing.T) {
	for name, c := range map[string]struct {
		first        error // what dc1 does
		levels, hint string
	}{
		"both serve":         {nil, "info info", ""},
		"no channel":         {channelless(verdict(ntstatus.AccessDenied)), "error info", "machine account's password is wrong"},
		"no such account":    {channelless(verdict(ntstatus.NoTrustSAMAccount)), "error info", "no machine account WEB01$, or has disabled it"},
		"no AES":             {channelless(netlogon.ErrNoAES), "error info", "older than AES"},
		"NTLM is blocked":    {verdict(ntstatus.NTLMBlocked), "error info", "allow NTLM"},
		"it may not log in":  {verdict(ntstatus.AccountRestriction), "info info", ""},
		"another password":   {verdict(ntstatus.WrongPassword), "error info", "machine account's password is wrong"}, // the channel is of an older one
		"guests are let in":  {netlogon.ErrGuest, "error info", "guest account"},
		"it has been closed": {netlogon.ErrClosed, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := new(bench)
			d, logs, _ := loggedMemberServer(t, b)
			b.set("dc1", c.first)
			logs.TakeAll()
			faults := d.testMachine(t.Context())
			levels, hints := lines(logs)
			if levels != c.levels || !strings.Contains(hints, c.hint) || faults != strings.Count(c.levels, "error") {
				t.Errorf("got %q with hints %q and %d faults, want %q with %q", levels, hints, faults, c.levels, c.hint)
			}
		})
	}
}

// TestNetlogonSelfTestIsShared: who asks at one moment, or soon after, hears of one
// test; a new password is tried at once.
func TestNetlogonSelfTestIsShared(t *testing.T) {
	b := new(bench)
	d, forward := memberServer(t, b)
	n := d.netlogon()
	b.set("dc1", channelless(verdict(ntstatus.AccessDenied)))
	for _, c := range []struct {
		name, asked string
		before      func()
	}{
		{"at one moment", "dc1", func() {}},
		{"soon after", "", func() { forward(testPause / 2) }},
		{"with another password", "dc1", func() { n.machine.voices[0].text = "Secr3t-new" }},
		{"after a while", "dc1", func() { forward(testPause) }},
	} {
		c.before()
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if _, err := n.test(t.Context(), d.servers.all()[0]); identity.KindOf(err) != identity.KindSecureChannel {
					t.Errorf("%s: got %v, want %v", c.name, err, identity.KindSecureChannel)
				}
			})
		}
		group.Wait()
		if asked := b.tookItself(); asked != c.asked {
			t.Errorf("%s: asked %q, want %q", c.name, asked, c.asked)
		}
	}
}

// TestNetlogonSelfTestEnds: it delays no start, and ends with its configuration,
// without a word and without a trace (TestMain looks for those).
func TestNetlogonSelfTestEnds(t *testing.T) {
	b := &bench{fails: make(map[string]error), hangs: map[string]bool{"127": true}}
	d, logs := open(t, &Directory{
		Server: []Server{{URL: "ldaps://127.0.0.1:1"}}, DNSDomain: "example.test",
		VerifyRaw: []json.RawMessage{json.RawMessage(`{"verifier": "netlogon", "account": "WEB02$", "secret": "Secr3t-web02"}`)},
	}, "EXAMPLE")
	d.netlogon().machine.judges = func(netlogon.Config) (judge, error) { return seat{b, "127"}, nil }
	logs.TakeAll() // what the configuration was warned of
	began := time.Now()
	d.start()
	if took := time.Since(began); took > time.Second {
		t.Errorf("the start took %v", took)
	}
	for b.tookItself() == "" {
		if time.Since(began) > overall {
			t.Fatal("no controller was asked")
		}
		time.Sleep(time.Millisecond)
	}
	began = time.Now()
	d.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the end took %v", took)
	}
	if n := logs.FilterMessageSnippet("netlogon").Len(); n != 0 {
		t.Errorf("got %v, want no line of netlogon", logs.FilterMessageSnippet("netlogon").All())
	}
}

// TestNetlogonMetrics: channels are counted by what became of them, and controllers
// show whether they are aside.
func TestNetlogonMetrics(t *testing.T) {
	const channels, up, running = "caddy_windows_auth_netlogon_channels_total", "caddy_windows_auth_netlogon_server_up", "caddy_windows_auth_netlogon_logins_running"
	ctx := configuration(t)
	d := &Directory{
		Server: []Server{{URL: "ldaps://dc1.example.test"}, {URL: "ldaps://dc2.example.test"}}, DNSDomain: "example.test",
		VerifyRaw: []json.RawMessage{json.RawMessage(`{"verifier": "netlogon", "account": "WEB03$", "secret": "Secr3t-alice"}`)},
	}
	if err := d.provision(ctx, zap.NewNop(), "EXAMPLE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	b := &bench{fails: make(map[string]error), hangs: make(map[string]bool)}
	opened := make(map[string]func(context.Context, error))
	d.netlogon().machine.judges = func(c netlogon.Config) (judge, error) {
		host := strings.SplitN(c.Server, ".", 2)[0]
		opened[host] = c.Opened
		return seat{b, host}, nil
	}
	b.set("dc1", channelless(verdict(ntstatus.AccessDenied)))
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	opened["dc1"](t.Context(), channelless(verdict(ntstatus.AccessDenied)))
	opened["dc1"](gone, channelless(context.Canceled))
	opened["dc2"](t.Context(), nil)
	const first, second, account = "server=dc1.example.test:135", "server=dc2.example.test:135", `account=EXAMPLE\WEB03$`
	want := func(name string, want float64, labels ...string) {
		t.Helper()
		if got, series := metrictest.Sum(t, ctx.GetMetricsRegistry(), name, labels...); got != want || series != 1 {
			t.Errorf("%s %v: got %v in %d series, want %v", name, labels, got, series, want)
		}
	}
	want(channels, 1, account, first, "outcome=secure_channel")
	want(channels, 1, account, first, "outcome=given_up")
	want(channels, 1, account, second, "outcome=ok")
	want(up, 0, account, first)
	want(up, 1, account, second)
	want(running, 0, account, second)
	d.metrics.forget("EXAMPLE", d.servers.all()[0])
	want(channels, 1, account, first, "outcome=given_up") // it is still named
	d.stop()
	d.metrics.forget("EXAMPLE", d.servers.all()[0])
	if _, series := metrictest.Sum(t, ctx.GetMetricsRegistry(), channels, first); series != 0 {
		t.Errorf("got %d series of a server that nobody names, want none", series)
	}
}
