package caddyntlm

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

func (d *door) last(t *testing.T) (zapcore.Level, map[string]any) {
	t.Helper()
	return lastDecision(t, d.logs)
}

// lastDecision is the newest line that tells a decision.
func lastDecision(t *testing.T, logs *observer.ObservedLogs) (zapcore.Level, map[string]any) {
	t.Helper()
	lines := logs.FilterMessage(decision).All()
	if len(lines) == 0 {
		t.Fatal("got no line")
	}
	line := lines[len(lines)-1]
	return line.Level, line.ContextMap()
}

func TestLogLines(t *testing.T) {
	d := newDoor(t, func(d *door) { d.Require = &policy.Rule{User: []string{"alice"}} })
	c := d.dial(t)
	check := func(level zapcore.Level, want map[string]any) {
		t.Helper()
		got, fields := d.last(t)
		if got != level {
			t.Errorf("got level %v, want %v", got, level)
		}
		for key, value := range want {
			if fields[key] != value {
				t.Errorf("got %s = %v, want %v", key, fields[key], value)
			}
		}
		for _, key := range []string{"conn", "remote_ip", "duration", "path"} {
			if fields[key] == nil {
				t.Errorf("got no %s", key)
			}
		}
	}
	c.login("alice", "secret-a")
	check(zapcore.InfoLevel, map[string]any{
		"event": "allow", "scheme": "ntlm", "user": `EXAMPLE\alice`, "user_claimed": "alice", "verifier": "fake",
		"dc": "dc1.example.com:636", "rule": "user alice", "remote_ip": "127.0.0.1",
	})
	c.get()
	check(zapcore.DebugLevel, map[string]any{"event": "allow", "user": `EXAMPLE\alice`})
	c.get(basic("bob", "wrong"))
	check(zapcore.InfoLevel, map[string]any{"event": "refuse", "reason": "bad_credentials", "scheme": "basic", "user_claimed": "bob"})
	c.get(basic("bob", "secret-b"))
	check(zapcore.InfoLevel, map[string]any{"event": "deny", "reason": "denied", "user": `EXAMPLE\bob`, "rule": "user alice", "hint": "the user is in: Users"})
	d.dir.failures["bob"] = &identity.Error{Kind: identity.KindTLS, Server: "dc2.example.com:636", Hint: "Trust its authority."}
	c.get(basic("bob", "secret-c"))
	check(zapcore.ErrorLevel, map[string]any{"event": "fail", "reason": "tls", "dc": "dc2.example.com:636", "hint": "Trust its authority."})
}

// F-14.
func TestClaimedNamesAreHarmless(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.get(basic("alice\r\n\x1b[31mERROR all is lost", "x"))
	_, fields := d.last(t)
	if got, want := fields["user_claimed"], `alice\x0d\x0a\x1b[31mERROR all is lost`; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	c.get(basic(strings.Repeat("é", 2000), "x"))
	_, fields = d.last(t)
	if got, want := fields["user_claimed"], strings.Repeat("é", 64); got != want {
		t.Errorf("got %v, want 64 characters", got)
	}
}

func TestEscapeClaimed(t *testing.T) {
	for _, tt := range []struct {
		name identity.Name
		want string
	}{
		{identity.Name{}, ""},
		{identity.Name{Domain: "EXAMPLE", User: "alice"}, `EXAMPLE\alice`},
		{identity.Name{User: `al"ice'`}, `al"ice'`},
		{identity.Name{User: "zoë 漢字"}, "zoë 漢字"},
		{identity.Name{User: "a\x00\t\r\n\x1b\x7fb"}, `a\x00\x09\x0d\x0a\x1b\x7fb`},
		{identity.Name{User: "a\u0085\u202e\u2028\u00a0\ufeffb"}, `a\u0085\u202e\u2028\u00a0\ufeffb`},
		{identity.Name{User: "a\U000e0041b"}, `a\U000e0041b`},
		{identity.Name{User: "a\xff\xfeb\ufffd"}, `a\xff\xfeb` + "\ufffd"},
		{identity.Name{User: strings.Repeat("é", 65)}, strings.Repeat("é", 64)},
		{identity.Name{User: strings.Repeat("x", 62) + "\nyz"}, strings.Repeat("x", 62)},
	} {
		if got := escapeClaimed(tt.name); got != tt.want {
			t.Errorf("%+q: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestMemberships(t *testing.T) {
	var a identity.Account
	if got, want := memberships(identity.New(a, strings.ToLower)), "the user is in no group"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	a.Groups = []identity.Group{{SID: identity.SID{}}}
	if got, want := memberships(identity.New(a, strings.ToLower)), "rules by sid; the user is in: "; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
	a.Groups = nil
	for _, name := range []string{"Web Users", "Users", "", "Domain Users", "users"} {
		a.Groups = append(a.Groups, identity.Group{Name: name})
	}
	if got, want := memberships(identity.New(a, strings.ToLower)), "the user is in: Domain Users, Users, users, Web Users"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for i := range 10 {
		a.Groups = append(a.Groups, identity.Group{Name: "Z" + string(rune('0'+i))})
	}
	if got, want := memberships(identity.New(a, strings.ToLower)), "the user is in: Domain Users, Users, users, Web Users, Z0, Z1, Z2, Z3, Z4, Z5, …"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A require that lets a request go on says by which rule, to those who debug.
func TestRequireSaysItsRule(t *testing.T) {
	d := newDoor(t, func(d *door) {
		inner := &Require{Rule: policy.Rule{Group: []string{"HR"}}, log: d.log}
		var err error
		if inner.rule, err = policy.Compile(inner.Rule); err != nil {
			t.Fatal(err)
		}
		d.inner = append(d.inner, inner)
	})
	d.dial(t).get(basic("alice", "secret-a")).wantUser(t, "alice")
	level, fields := d.last(t)
	if level != zapcore.DebugLevel || fields["event"] != "allow" || fields["rule"] != "group HR" || fields["user"] != `EXAMPLE\alice` {
		t.Errorf("got %v %v", level, fields)
	}
	d.dial(t).get(basic("bob", "secret-b")).want(t, 403)
	level, fields = d.last(t)
	if level != zapcore.InfoLevel || fields["event"] != "deny" || fields["rule"] != "group HR" || fields["hint"] != "the user is in: Users" {
		t.Errorf("got %v %v", level, fields)
	}
}

// F-12: at no level.
func TestNoSecretsInTheLog(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	token := ntlmMessage(1, "negotiate")
	c.login("alice", "secret-a")
	c.login("alice", "wrong-word")
	c.get(basic("alice", "secret-a"))
	c.get(basic("alice", "wrong-word"))
	c.get(basic("alice", "sec\x00ret-a"))
	c.get(authorization("Basic", []byte("secret-a-without-colon")))
	c.get("Authorization: Basic !secret-a!")
	c = d.dial(t) // the last one was closed
	c.loginNegotiate("alice", "secret-a")
	c.loginNegotiate("alice", "wrong-word")
	c.get(negotiate([]byte("secret-a-without-SPNEGO")))
	c.get(negotiate(wrap([]byte("secret-a-in-no-message"))))
	if d.logs.Len() < 12 {
		t.Fatalf("got %d lines", d.logs.Len())
	}
	for _, line := range d.logs.All() {
		for key, value := range line.ContextMap() {
			text, _ := value.(string)
			for _, secret := range []string{"secret-a", "ret-a", "wrong-word", "NTLMSSP", base64.StdEncoding.EncodeToString(token), base64.StdEncoding.EncodeToString(openNTLM)} {
				if strings.Contains(text, secret) || strings.Contains(line.Message, secret) {
					t.Errorf("%s of %v holds %q", key, line.ContextMap(), secret)
				}
			}
		}
	}
}

func TestRarely(t *testing.T) {
	var o rarely
	now := time.Unix(1_700_000_000, 0)
	if _, due := o.due(now); !due {
		t.Error("not due the first time")
	}
	for range 3 {
		if _, due := o.due(now.Add(59 * time.Second)); due {
			t.Error("due within a minute")
		}
	}
	if skipped, due := o.due(now.Add(time.Minute)); !due || skipped != 3 {
		t.Errorf("got %d, %v, want 3, true", skipped, due)
	}
}
