package caddyntlm

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

func newWarningDoor(t *testing.T, change func(*door)) (*door, *clock) {
	t.Helper()
	c := new(clock)
	return newTicketDoor(t, func(d *door) {
		d.now, d.dir.at, d.NTLM, d.Schemes = c.now, c.now, NTLMWarn, []string{"negotiate", "ntlm", "basic"}
		if change != nil {
			change(d)
		}
	}), c
}

// uses are the fields of the lines that report NTLM.
func (d *door) uses() (lines []map[string]any) {
	for _, line := range d.logs.FilterMessage(useOfNTLM).All() {
		lines = append(lines, line.ContextMap())
	}
	return lines
}

// TestUseOfNTLM: a log-in by NTLM is let in, and is one line that says who, how and
// why it was no ticket. Requests that follow are none, nor are tickets and passwords.
func TestUseOfNTLM(t *testing.T) {
	for name, c := range map[string]struct {
		login   func(*client) answer
		scheme  string
		reason  string
		offered string
	}{
		"NTLM": {func(c *client) answer { return c.login("alice", "secret-a") }, "ntlm", "chosen", "the scheme NTLM"},
		"SPNEGO": {func(c *client) answer { return c.loginNegotiate("alice", "secret-a") }, "negotiate", "no_ticket",
			"Negotiate, SPNEGO with NTLMSSP"},
		"SPNEGO, Kerberos too": {func(c *client) answer {
			challenge := c.ask(opening(t, message1(), spnego.NTLMSSP, spnego.Kerberos))
			return c.get(negotiate(going(t, message3(challenge, "alice", "secret-a"))))
		}, "negotiate", "chosen", "Negotiate, SPNEGO with NTLMSSP, Kerberos"},
		"bare in Negotiate": {func(c *client) answer {
			challenge := c.get(negotiate(message1())).token(t)
			return c.get(negotiate(message3(challenge, "alice", "secret-a")))
		}, "negotiate", "no_ticket", "Negotiate, NTLM without SPNEGO"},
	} {
		t.Run(name, func(t *testing.T) {
			d, clock := newWarningDoor(t, nil)
			registry := prometheus.NewRegistry()
			registry.MustRegister(d.meter.metrics)
			client := d.dial(t)
			c.login(client).wantUser(t, "alice")
			client.get().wantUser(t, "alice")
			d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 1, map[string]any{
				"event": "allow", "reason": c.reason, "version": "NTLMv2", "offered": c.offered, "scheme": c.scheme, "user": `EXAMPLE\alice`,
				"user_claimed": "alice", "verifier": "fake", "remote_ip": "127.0.0.1", "host": "site.example.com", "kerberos_offered": true, "skipped": int64(0),
			})
			if why, _ := d.uses()[0]["why_not_kerberos"].(string); why == "" {
				t.Error("got no reason in words")
			}
			c.login(client).wantUser(t, "alice")
			d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 1, nil)
			clock.advance(time.Minute)
			c.login(client).wantUser(t, "alice")
			d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 2, map[string]any{"skipped": int64(1)})
			client.get(negotiate(ticketOf("bob"))).wantUser(t, "bob")
			client.get(basic("bob", "secret-b")).wantUser(t, "bob")
			d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 2, nil)
			if got := figure(t, registry, "caddy_windows_auth_ntlm_logins_total", "scheme="+c.scheme, "cause="+c.reason, "verifier=fake", "directory=EXAMPLE"); got != 3 {
				t.Errorf("got %v log-ins counted, want 3", got)
			}
			for labels, want := range map[string]float64{"verifier=fake_tickets": 1, "verifier=fake scheme=basic": 1} {
				if got := figure(t, registry, decisions, append(strings.Fields(labels), "event=allow", "directory=EXAMPLE")...); got != want {
					t.Errorf("got %v decisions with %s, want %v", got, labels, want)
				}
			}
		})
	}
}

// TestUseByOthers: each user of an address has a line of their own, and one who fails
// has none, unless it is for the age of the protocol.
func TestUseByOthers(t *testing.T) {
	d, _ := newWarningDoor(t, nil)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.login("bob", "wrong").want(t, 401, negotiated...)
	d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 1, nil)
	c.login("bob", "secret-b").wantUser(t, "bob")
	d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 2, map[string]any{"user": `EXAMPLE\bob`})
	d.dir.finish = func(context.Context) error { return identity.Fail(identity.KindNTLMv1, nil) }
	for range 2 {
		c.login("bob", "secret-b").want(t, 401, negotiated...)
		c.loginNegotiate("bob", "secret-b").want(t, 401, negotiated...)
	}
	// bob's response has the 24 bytes of that version.
	d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 4, map[string]any{"event": "refuse", "version": "NTLMv1", "scheme": "negotiate"})
}

// TestUseIsCounted: with allow nothing is written, and the figures tell all the same.
func TestUseIsCounted(t *testing.T) {
	d := newDoor(t, nil)
	registry := prometheus.NewRegistry()
	registry.MustRegister(d.meter.metrics)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	if got := figure(t, registry, "caddy_windows_auth_ntlm_logins_total", "cause=no_keytab", "scheme=ntlm"); got != 1 || len(d.uses()) != 0 {
		t.Errorf("got %v counted and %v, want 1 and no line", got, d.uses())
	}
}

// TestUseElsewhere: who has logged in by NTLM at a site that does not tell is told of
// where they come to one that does.
func TestUseElsewhere(t *testing.T) {
	for _, path := range []string{"/strict", "/inner"} {
		strict := &Handler{NTLM: NTLMWarn}
		d := prepareDoor(t, func(d *door) { d.dir.tickets = &fakeTickets{directory: d.dir} })
		d.beside(strict)
		c := d.dial(t)
		c.login("alice", "secret-a").wantUser(t, "alice")
		if got := d.uses(); len(got) != 0 {
			t.Errorf("got %v, want nothing told yet", got)
		}
		for range 2 {
			c.at(path).wantUser(t, "alice")
		}
		d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 1, map[string]any{"offered": "at another site, on the same connection", "user": `EXAMPLE\alice`})
		c.at(path, negotiate(ticketOf("bob"))).wantUser(t, "bob")
		c.at(path, basic("bob", "secret-b")).wantUser(t, "bob")
		d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 1, nil)
	}
}

// TestUseSaysWorkstation: what a client writes about itself is in the line, harmless.
func TestUseSaysWorkstation(t *testing.T) {
	m := &ntlm.Authenticate{User: "al\nice", Domain: "EXAMPLE", Workstation: "PC\x1b42", Flags: ntlm.NegotiateUnicode, NTResponse: make([]byte, 24), LMResponse: make([]byte, 24)}
	raw, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := newWarningDoor(t, nil)
	d.dir.finish = func(context.Context) error { return identity.Fail(identity.KindNTLMv1, nil) }
	c := d.dial(t)
	c.get(type1())
	c.get(authorization("NTLM", raw), "User-Agent: "+strings.Repeat("a", 200)).want(t, 401, negotiated...)
	d.wantNotices(t, useOfNTLM, zapcore.WarnLevel, 1, map[string]any{
		"version": "NTLMv1", "workstation": `PC\x1b42`, "user_claimed": `EXAMPLE\al\x0aice`, "user_agent": strings.Repeat("a", maxAgent),
	})
}

func TestCauseOf(t *testing.T) {
	whole := circumstances{keytab: true, offered: true, host: "www.example.com", names: []string{"WWW.example.com"}, scheme: schemeNegotiate, mechs: []spnego.OID{spnego.NTLMSSP}}
	for name, c := range map[string]struct {
		change func(*circumstances)
		want   string
	}{
		"no ticket":           {func(*circumstances) {}, "no_ticket"},
		"bare":                {func(c *circumstances) { c.mechs = nil }, "no_ticket"},
		"scheme":              {func(c *circumstances) { c.scheme = schemeNTLM }, "chosen"},
		"Kerberos second":     {func(c *circumstances) { c.mechs = append(c.mechs, spnego.MSKerberos) }, "chosen"},
		"names not known":     {func(c *circumstances) { c.names = nil }, "no_ticket"},
		"no names":            {func(c *circumstances) { c.names = []string{} }, "unknown_name"},
		"another name":        {func(c *circumstances) { c.host = "www" }, "unknown_name"},
		"IPv4":                {func(c *circumstances) { c.host = "192.0.2.1" }, "ip_address"},
		"IPv6":                {func(c *circumstances) { c.host = hostOf("[2001:db8::1]:443") }, "ip_address"},
		"IPv6, no port":       {func(c *circumstances) { c.host = hostOf("[2001:db8::1]") }, "ip_address"},
		"not offered":         {func(c *circumstances) { c.offered, c.host = false, "192.0.2.1" }, "not_offered"},
		"no keytab":           {func(c *circumstances) { *c = circumstances{host: "192.0.2.1", scheme: schemeNTLM} }, "no_keytab"},
		"many names, another": {func(c *circumstances) { c.names = strings.Fields("a b c d e f g") }, "unknown_name"},
	} {
		t.Run(name, func(t *testing.T) {
			seen := whole
			c.change(&seen)
			got := causeOf(seen)
			if got.word != c.want || got.text == "" || got.cure == "" || strings.Contains(got.text, " g ") {
				t.Errorf("got %+v, want %s with its words", got, c.want)
			}
		})
	}
	if got := hostOf("WWW.example.com:8443"); got != "www.example.com" {
		t.Errorf("got %q", got)
	}
	for _, host := range []string{"$(reboot).example.com", "a;b", "a&b", ""} { // http.Server takes them
		for _, keytab := range []bool{true, false} {
			seen := whole
			seen.keytab, seen.names, seen.host = keytab, nil, hostOf(host)
			if got := causeOf(seen); !strings.Contains(got.cure, "HTTP/NAME") {
				t.Errorf("%s: got %q, want no command with it", host, got.cure)
			}
		}
	}
}

func TestSeldom(t *testing.T) {
	var s seldom
	now := time.Unix(1_700_000_000, 0)
	ask := func(who any, after time.Duration, skipped int64, due bool) {
		t.Helper()
		if gotSkipped, got := s.due(who, now.Add(after)); got != due || gotSkipped != skipped {
			t.Errorf("got %d, %v, want %d, %v", gotSkipped, got, skipped, due)
		}
	}
	ask("a", 0, 0, true)
	ask("b", 0, 0, true)
	ask("a", 59*time.Second, 0, false)
	ask("a", time.Minute, 1, true)
	for i := range 3 * maxTurns {
		_, _ = s.due(fmt.Sprint(i), now.Add(90*time.Second))
	}
	if len(s.each) > maxTurns {
		t.Errorf("got %d kept, want %d at most", len(s.each), maxTurns)
	}
	ask("somebody new", 91*time.Second, 0, false) // shares a turn with the crowd
	ask("a", 100*time.Second, 0, false)           // keeps the own one
	ask("somebody new", 160*time.Second, 0, true) // the crowd is over
}
