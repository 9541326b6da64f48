package caddyntlm

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

//
func TestNoCredentials(t *testing.T) {
	d := newDoor(t, nil)
	d.dial(t).get().want(t, 401, both...)
	d.wantReason(t, identity.KindNoCredentials)
	for _, line := range d.logs.All() {
		if line.Level > -1 {
			t.Errorf("got %q at %v, want nothing above DEBUG", line.Message, line.Level)
		}
	}
	if d.dir.asked.Load() != 0 || d.dir.challenges != 0 || d.pending.taken.Load() != 0 {
		t.Error("a controller was asked, or a place taken")
	}
	d.conns.mu.Lock()
	defer d.conns.mu.Unlock()
	for _, c := range d.conns.open {
		if s := c.seat(d.dir.Key()); s.phase != phaseNew || s.held != (held{}) || c.memory != nil {
			t.Errorf("got phase %d holding %v, want nothing remembered", s.phase, s.held)
		}
	}
}

// Negotiate before NTLM before Basic, where the configuration has that
// order, and each on a line of its own.
func TestChallengesAreLines(t *testing.T) {
	got := newNegotiateDoor(t, nil).dial(t).get()
	want := []string{"Negotiate", "NTLM", basicChallenge}
	if lines := got.Header["Www-Authenticate"]; got.StatusCode != 401 || !slices.Equal(lines, want) {
		t.Errorf("got %d %q, want 401 %q", got.StatusCode, lines, want)
	}
}

func TestHandshake(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.get().want(t, 401, both...)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	c.get().wantUser(t, "alice")
	if got := d.dir.asked.Load(); got != 1 {
		t.Errorf("got %d questions to the controller, want 1", got)
	}
	// another connection knows nobody.
	d.dial(t).get().want(t, 401, both...)
}

// A7: bytes in are bytes out.
func TestMessagesUnchanged(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	first := c.get(type1())
	if got, want := string(first.challenge()), string(ntlmMessage(2, "challenge-1")); got != want { // B-17
		t.Errorf("got Type 2 %q, want %q as the controller made it", got, want)
	}
	c.get(type3(first.challenge(), "alice", "secret-a")).wantUser(t, "alice")
	if got, want := string(d.dir.lastNegotiate), string(ntlmMessage(1, "negotiate")); got != want {
		t.Errorf("got Type 1 %q, want %q", got, want)
	}
	want := string(authenticateMessage(ntlmMessage(2, "challenge-1"), "alice", "secret-a"))
	if got := string(d.dir.lastAuthenicate); got != want {
		t.Errorf("got Type 3 %q, want %q", got, want)
	}
}

func TestWrongPassword(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.login("alice", "wrong").want(t, 401, both...)
	d.wantReason(t, identity.KindBadCredentials)
	c.get().want(t, 401, both...)
	c.login("alice", "wrong").want(t, 401, both...)
	c.login("alice", "secret-a").wantUser(t, "alice") // at once, as browsers do
}

//
func TestRequestInMidHandshake(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	first := c.get(type1())
	c.get().want(t, 401, both...)
	if level, fields := d.last(t); level != zapcore.DebugLevel || fields["reason"] != identity.KindNoCredentials.String() {
		t.Errorf("got %v %v, want the reason at DEBUG", level, fields)
	}
	d.dir.checkClosed(t)
	if got := d.pending.taken.Load(); got != 0 {
		t.Errorf("got %d places taken, want 0", got)
	}
	c.get(type3(first.challenge(), "alice", "secret-a")).want(t, 401, both...)
	d.wantReason(t, identity.KindState)
}

//
func TestMessagesOutOfOrder(t *testing.T) {
	d := newDoor(t, nil)
	tests := []struct {
		name  string
		token []byte
		kind  identity.Kind
	}{
		{"Type 3 first", ntlmMessage(3, "challenge-1\x00alice\x00secret-a"), identity.KindState},
		{"Type 2", ntlmMessage(2, "x"), identity.KindState},
		{"Type 4", ntlmMessage(4, "x"), identity.KindState},
		{"no signature", []byte("nothing of the kind"), identity.KindBadToken},
		{"signature alone", []byte("NTLMSSP\x00"), identity.KindBadToken},
		{"empty", nil, identity.KindBadToken},
	}
	before := map[string]func(c *client){
		"new":           func(*client) {},
		"authenticated": func(c *client) { c.login("alice", "secret-a").wantUser(t, "alice") },
		"left behind":   func(c *client) { c.get(type1()); c.get() }, // a handshake that is over
	}
	for _, tt := range tests {
		for state, reach := range before {
			t.Run(tt.name+", "+state, func(t *testing.T) {
				c := d.dial(t)
				reach(c)
				asked := d.dir.asked.Load()
				c.get(authorization("NTLM", tt.token)).want(t, 401, both...)
				d.wantReason(t, tt.kind)
				c.get().want(t, 401, both...) // what the connection remembered is gone
				if got := d.dir.asked.Load(); got != asked {
					t.Error("a controller was asked")
				}
			})
		}
	}
	for _, tt := range tests[1:] { // a Type 3 is due there
		t.Run(tt.name+", challenged", func(t *testing.T) {
			c := d.dial(t)
			challenge := c.get(type1()).challenge()
			c.get(authorization("NTLM", tt.token)).want(t, 401, both...)
			d.wantReason(t, tt.kind)
			d.dir.checkClosed(t)
			c.get(type3(challenge, "alice", "secret-a")).want(t, 401, both...)
		})
	}
}

// What decodes and makes no sense clears the connection, whatever its scheme.
func TestBadBasicOnAuthenticatedConnection(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.get(authorization("Basic", []byte("no colon"))).want(t, 401, both...)
	d.wantReason(t, identity.KindBadToken)
	c.get().want(t, 401, both...)
}

//
func TestType3Twice(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	first := c.get(type1())
	third := type3(first.challenge(), "alice", "secret-a")
	c.get(third).wantUser(t, "alice")
	c.get(third).want(t, 401, both...)
	d.wantReason(t, identity.KindState)
	c.get().want(t, 401, both...)
}

// B-01.
func TestType3OnAnotherConnection(t *testing.T) {
	d := newDoor(t, nil)
	a, b := d.dial(t), d.dial(t)
	third := type3(a.get(type1()).challenge(), "alice", "secret-a")
	b.get(third).want(t, 401, both...) // with nothing pending
	d.wantReason(t, identity.KindState)
	b.get(type1())
	b.get(third).want(t, 401, both...) // with a challenge of its own
	d.wantReason(t, identity.KindBadCredentials)
	b.get().want(t, 401, both...)
	a.get(third).wantUser(t, "alice")
	c := d.dial(t)
	c.get(type1())
	c.get(third).want(t, 401, both...) // after it was good once
}

//
func TestFailureOnAnotherConnection(t *testing.T) {
	d := newDoor(t, nil)
	a, b := d.dial(t), d.dial(t)
	a.login("alice", "secret-a").wantUser(t, "alice")
	b.login("bob", "wrong").want(t, 401, both...)
	a.get().wantUser(t, "alice")
}

//
func TestAgainOnAuthenticatedConnection(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	served := d.served.Load()
	c.send("POST", "/", "", type1())
	first := c.receive("POST")
	if first.challenge() == nil || d.served.Load() != served {
		t.Fatalf("got %d %v, want a Type 2 and no request at the application", first.StatusCode, first.Header)
	}
	c.send("POST", "/", "posted", type3(first.challenge(), "bob", "secret-b"))
	if got := c.receive("POST"); got.text != "bob:posted" {
		t.Errorf("got %d %q, want bob:posted", got.StatusCode, got.text)
	}
	c.get().wantUser(t, "bob")
	c.login("alice", "wrong").want(t, 401, both...)
	c.get().want(t, 401, both...) // dropped on failure
}

// from the moment of the Type 1 nobody is known: what comes instead of the
// Type 3 is a stranger's, and the empty POST itself is nobody's request.
func TestSuspendedBetweenLegs(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	for _, next := range []string{"nothing", "junk", "wrong"} {
		c.login("alice", "secret-a").wantUser(t, "alice")
		served := d.served.Load()
		c.write("POST / HTTP/1.1\r\nHost: site.example.com\r\nContent-Length: 0\r\n" + type1() + "\r\n\r\n")
		first := c.receive("POST")
		if first.StatusCode != 401 || first.challenge() == nil || first.Close {
			t.Fatalf("got %d %v, want 401 with a Type 2 on a connection that stays", first.StatusCode, first.Header)
		}
		if level, fields := d.last(t); level != zapcore.DebugLevel || fields["reason"] != "type_2" {
			t.Errorf("got %v %v, want the challenge at DEBUG", level, fields)
		}
		switch next {
		case "nothing":
			c.send("POST", "/", "")
			c.receive("POST").want(t, 401, both...)
		case "junk":
			c.get(misuses["junk"]).want(t, 401, both...)
		case "wrong":
			c.get(type3(first.challenge(), "alice", "wrong")).want(t, 401, both...)
		}
		c.get().want(t, 401, both...)
		if got := d.served.Load(); got != served {
			t.Errorf("%s: got %d requests at the application, want none", next, got-served)
		}
	}
}

// suspended even when no controller can be asked.
func TestSuspendedAtOnce(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	d.dir.start = func(context.Context) error { return identity.Fail(identity.KindUnavailable, nil) }
	c.get(type1()).want(t, 503)
	c.get().want(t, 401, both...)
}

//
func TestPipelining(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	request := func(header string) string {
		return "GET / HTTP/1.1\r\nHost: site.example.com\r\n" + header + "\r\n"
	}
	c.write(request(type1()+"\r\n") + request("") + request(type3(ntlmMessage(2, "challenge-1"), "alice", "secret-a")+"\r\n"))
	if c.receive("GET").challenge() == nil {
		t.Error("got no Type 2 first")
	}
	c.receive("GET").want(t, 401, both...)
	c.receive("GET").want(t, 401, both...)
	d.wantReason(t, identity.KindState)
}

//
func TestConnectionThatCloses(t *testing.T) {
	d := newDoor(t, nil)
	d.dial(t).get("Connection: close").want(t, 401, basicChallenge)
	d.dial(t).get("Connection: close", type1()).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindNotPersistent)
	d.dial(t).get("Connection: close", basic("alice", "secret-a")).wantUser(t, "alice")
	for _, header := range []string{"", "Connection: keep-alive\r\n"} {
		c := d.dial(t)
		c.write("GET / HTTP/1.0\r\nHost: site.example.com\r\n" + header + "\r\n")
		c.receive("GET").want(t, 401, basicChallenge)
	}
	// A client may end the connection together with its handshake.
	c := d.dial(t)
	first := c.get(type1())
	c.get("Connection: close", type3(first.challenge(), "alice", "secret-a")).wantUser(t, "alice")
}

func TestNothingToOffer(t *testing.T) {
	d := newDoor(t, func(d *door) { d.InsecureBasic = false })
	got := d.dial(t).get("Connection: close")
	got.want(t, 401)
	if !strings.Contains(got.text, "HTTPS") || !strings.Contains(got.text, "HTTP/1.1") {
		t.Errorf("got body %q, want the reasons", got.text)
	}
}

// A-24, A32.
func TestHandshakeDeadline(t *testing.T) {
	d := newDoor(t, nil)
	d.limits.handshake = 20 * time.Millisecond
	c := d.dial(t)
	first := c.get(type1())
	for deadline := time.Now().Add(5 * time.Second); d.pending.taken.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the exchange outlived its deadline")
		}
	}
	d.dir.checkClosed(t)
	c.get(type3(first.challenge(), "alice", "secret-a")).want(t, 401, both...)
	d.wantReason(t, identity.KindHandshakeTimeout)
	d.limits.handshake = 10 * time.Second
	c.login("alice", "secret-a").wantUser(t, "alice")
}

// B-03.
func TestTooManyPending(t *testing.T) {
	d := newDoor(t, nil)
	d.pending.limit = 2
	known := d.dial(t)
	known.login("alice", "secret-a").wantUser(t, "alice")
	first, second, third := d.dial(t), d.dial(t), d.dial(t)
	first.get(type1())
	second.get(type1())
	got := third.get(type1())
	got.want(t, 503)
	if got.Header.Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
	d.wantReason(t, identity.KindTooManyPending)
	known.get().wantUser(t, "alice")
	_ = first.nc.Close()
	for deadline := time.Now().Add(5 * time.Second); d.pending.taken.Load() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection kept its place")
		}
	}
	third.login("bob", "secret-b").wantUser(t, "bob")
}

// who hangs up takes the question to the controller along, at either leg
// and with a password too. Nothing is left, and nothing is above DEBUG.
func TestClientGoesAway(t *testing.T) {
	for name, ask := range map[string]func(t *testing.T, d *door, c *client, hang func(context.Context) error){
		"Type 1": func(_ *testing.T, d *door, c *client, hang func(context.Context) error) {
			d.dir.start = hang
			c.send("GET", "/", "", type1())
		},
		"Type 3": func(_ *testing.T, d *door, c *client, hang func(context.Context) error) {
			first := c.get(type1())
			d.dir.finish = hang
			c.send("GET", "/", "", type3(first.challenge(), "alice", "secret-a"))
		},
		"password": func(_ *testing.T, d *door, c *client, hang func(context.Context) error) {
			d.dir.verify = hang
			c.send("GET", "/", "", basic("alice", "secret-a"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, nil)
			asked, ended := make(chan struct{}), make(chan error, 1)
			hang := func(ctx context.Context) error {
				close(asked)
				<-ctx.Done()
				ended <- ctx.Err()
				return identity.Fail(identity.KindTimeout, ctx.Err())
			}
			c := d.dial(t)
			ask(t, d, c, hang)
			<-asked
			_ = c.nc.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want %v", err, context.Canceled)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the question outlived its client")
			}
			gone := func() bool {
				return d.reason() == "client_gone" && d.pending.taken.Load() == 0 && d.asking.taken.Load() == 0 && d.waiting() == 0
			}
			for deadline := time.Now().Add(5 * time.Second); !gone(); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("got reason %q, %d handshakes, %d questions, %d exchanges", d.reason(), d.pending.taken.Load(), d.asking.taken.Load(), d.waiting())
				}
			}
			for _, line := range d.logs.All() {
				if line.Level > zapcore.DebugLevel {
					t.Errorf("got %q at %v, want nothing above DEBUG", line.Message, line.Level)
				}
			}
			if got := d.served.Load(); got != 0 {
				t.Errorf("got %d requests at the application, want 0", got)
			}
		})
	}
}

// E-01, E-02.
func TestControllersDown(t *testing.T) {
	down := func(context.Context) error { return identity.Fail(identity.KindUnavailable, nil) }
	d := newDoor(t, nil)
	known, c := d.dial(t), d.dial(t)
	known.login("alice", "secret-a").wantUser(t, "alice")
	d.dir.start = down
	got := c.get(type1())
	got.want(t, 503)
	if got.Header.Get("Retry-After") == "" || got.Close {
		t.Errorf("got header %v, want Retry-After and the connection kept", got.Header)
	}
	d.dir.start, d.dir.finish = nil, down
	c.login("bob", "secret-b").want(t, 503)
	d.wantReason(t, identity.KindUnavailable)
	d.dir.finish = nil
	c.get().want(t, 401, both...)
	known.get().wantUser(t, "alice")
}

func TestProvenButNotFound(t *testing.T) {
	d := newDoor(t, nil)
	d.dir.resolve = func(*identity.Identity) error { return identity.Fail(identity.KindNotFound, nil) }
	d.dial(t).login("alice", "secret-a").want(t, 403)
	d.dial(t).get(basic("alice", "secret-a")).want(t, 401, both...)
}

// B-09.
func TestSomebodyElse(t *testing.T) {
	d := newDoor(t, nil)
	d.dir.resolve = func(id *identity.Identity) error { id.SID = fakeSID("somebody else"); return nil }
	c := d.dial(t)
	c.login("alice", "secret-a").want(t, 401, both...)
	d.wantReason(t, identity.KindMismatch)
	c.get().want(t, 401, both...)
}

func TestPanicClosesExchange(t *testing.T) {
	d := newDoor(t, nil)
	d.server.Config.ErrorLog = quiet()
	c := d.dial(t)
	first := c.get(type1())
	d.dir.finish = func(context.Context) error { panic("a broken verifier") }
	c.send("GET", "/", "", type3(first.challenge(), "alice", "secret-a"))
	if _, err := http.ReadResponse(c.read, nil); err == nil {
		t.Error("got an answer, want the connection closed")
	}
	d.dir.checkClosed(t)
	d.dir.start = func(context.Context) error { panic("a broken verifier") }
	c = d.dial(t)
	c.send("GET", "/", "", type1())
	_, _ = c.read.ReadByte()
	if got := d.pending.taken.Load(); got != 0 {
		t.Errorf("got %d places taken, want 0", got)
	}
}

//
func TestHeadAndOptions(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	for _, method := range []string{"HEAD", "OPTIONS"} {
		c.send(method, "/", "")
		c.receive(method).want(t, 401, both...)
	}
	c.login("alice", "secret-a").wantUser(t, "alice")
	c.send("HEAD", "/", "")
	c.receive("HEAD").want(t, 200)
}
