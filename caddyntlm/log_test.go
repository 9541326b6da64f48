package caddyntlm

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

func (d *door) last(t *testing.T) (zapcore.Level, map[string]any) {
	t.Helper()
	lines := d.logs.FilterMessage(decision).All()
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
		"event": "allow", "scheme": "ntlm", "user": `EXAMPLE\alice`, "user_claimed": `"alice"`, "verifier": "fake",
		"dc": "dc1.example.com:636", "rule": "user alice", "remote_ip": "127.0.0.1",
	})
	c.get()
	check(zapcore.DebugLevel, map[string]any{"event": "allow", "user": `EXAMPLE\alice`})
	c.get(basic("bob", "wrong"))
	check(zapcore.InfoLevel, map[string]any{"event": "refuse", "reason": "bad_credentials", "scheme": "basic", "user_claimed": `"bob"`})
	c.get(basic("bob", "secret-b"))
	check(zapcore.InfoLevel, map[string]any{"event": "deny", "reason": "denied", "user": `EXAMPLE\bob`, "rule": "user alice"})
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
	if got, want := fields["user_claimed"], `"alice\r\n\x1b[31mERROR all is lost"`; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	c.get(basic(strings.Repeat("é", 2000), "x"))
	_, fields = d.last(t)
	if got, want := fields["user_claimed"], `"`+strings.Repeat("é", 64)+`"`; got != want {
		t.Errorf("got %v, want 64 characters", got)
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
