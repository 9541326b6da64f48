package caddyntlm

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// in the order of the configuration.
func TestNegotiateIsOffered(t *testing.T) {
	newNegotiateDoor(t, nil).dial(t).get().want(t, 401, negotiated...)
	d := newDoor(t, func(d *door) { d.Schemes = []string{"ntlm", "negotiate"} })
	d.dial(t).get().want(t, 401, "NTLM", "Negotiate")
}

func TestNegotiateNotOffered(t *testing.T) {
	d := newDoor(t, nil)
	d.dial(t).get(negotiate(opening(t, message1(), spnego.NTLMSSP))).want(t, 401, both...)
	d.wantReason(t, identity.KindScheme)
}

func TestNegotiate(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	first := c.get(negotiate(opening(t, message1(), spnego.NTLMSSP, spnego.MSKerberos)))
	token := first.resp(t, 401, spnego.AcceptIncomplete)
	if token.SupportedMech != spnego.NTLMSSP || string(token.ResponseToken) != string(ntlmMessage(2, "challenge-1")) {
		t.Errorf("got %v %q, want NTLM and the challenge as it came", token.SupportedMech, token.ResponseToken)
	}
	last := c.get(negotiate(going(t, message3(token.ResponseToken, "alice", "secret-a"))))
	last.wantUser(t, "alice")
	if end := last.resp(t, 200, spnego.AcceptCompleted); end.ResponseToken != nil || end.SupportedMech != "" {
		t.Errorf("got %+v, want accept-completed alone", end)
	}
	if got := string(d.dir.lastNegotiate) + string(d.dir.lastAuthenicate); got != string(message1())+string(message3(token.ResponseToken, "alice", "secret-a")) {
		t.Errorf("got %q at the controller, want the messages as they came", got)
	}
	if _, fields := d.last(t); fields["scheme"] != "negotiate" || fields["event"] != "allow" {
		t.Errorf("got %v, want scheme negotiate", fields)
	}
	again := c.get()
	again.wantUser(t, "alice")
	again.want(t, 200)
	if _, fields := d.last(t); fields["scheme"] != "negotiate" {
		t.Errorf("got %v, want scheme negotiate from the connection too", fields)
	}
	d.dial(t).get().want(t, 401, negotiated...)
}

// The scheme stays what it was when the identity is renewed.
func TestNegotiateRenewed(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	c.loginNegotiate("alice", "secret-a").wantUser(t, "alice")
	d.dir.fresh = -1
	c.get().wantUser(t, "alice")
	d.dir.fresh = time.Hour
	c.get().wantUser(t, "alice")
	if _, fields := d.last(t); fields["scheme"] != "negotiate" || d.dir.refreshed.Load() != 1 {
		t.Errorf("got %v, want scheme negotiate after a renewal", fields)
	}
}

// B-14: NTLM messages under Negotiate with no SPNEGO around them.
func TestNegotiateRaw(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	first := c.get(negotiate(message1()))
	if got := string(first.token(t)); first.StatusCode != 401 || got != string(ntlmMessage(2, "challenge-1")) {
		t.Fatalf("got %d %q, want the Type 2 alone", first.StatusCode, got)
	}
	last := c.get(negotiate(message3(first.token(t), "alice", "secret-a")))
	last.wantUser(t, "alice")
	last.want(t, 200) // nothing is left to be said
	if _, fields := d.last(t); fields["scheme"] != "negotiate" {
		t.Errorf("got %v, want scheme negotiate", fields)
	}
}

// B-14, B-12: a client that would rather have had Kerberos, with its ticket sent
// in hope.
func TestNegotiateReselected(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	for name, hope := range map[string][]byte{"in hope": shortKerberosToken(), "without": nil} {
		t.Run(name, func(t *testing.T) {
			before := d.dir.challenges
			c := d.dial(t)
			token := c.get(negotiate(opening(t, hope, spnego.MSKerberos, spnego.Kerberos, spnego.NegoEx, spnego.NTLMSSP))).resp(t, 401, spnego.AcceptIncomplete)
			if token.SupportedMech != spnego.NTLMSSP || token.ResponseToken != nil {
				t.Errorf("got %+v, want NTLM selected and nothing else", token)
			}
			if d.dir.challenges != before || d.pending.taken.Load() != 1 {
				t.Errorf("got %d challenges, %d pending, want none asked for and one place taken", d.dir.challenges-before, d.pending.taken.Load())
			}
			token = c.get(negotiate(going(t, message1()))).resp(t, 401, spnego.AcceptIncomplete)
			if token.SupportedMech != "" || d.pending.taken.Load() != 1 {
				t.Errorf("got %v, %d pending, want the mechanism named once", token.SupportedMech, d.pending.taken.Load())
			}
			last := c.get(negotiate(going(t, message3(token.ResponseToken, "alice", "secret-a"))))
			last.wantUser(t, "alice")
			if level, fields := d.last(t); level != zapcore.InfoLevel || fields["scheme"] != "negotiate" || fields["verifier"] != "fake" {
				t.Errorf("got %v %v, want the log-in at INFO with its scheme", level, fields)
			}
			last.resp(t, 200, spnego.AcceptCompleted)
			if d.logs.FilterMessageSnippet("mechListMIC not checked").Len() == 0 {
				t.Error("got no line about the mechListMIC")
			}
			if got := d.pending.taken.Load(); got != 0 {
				t.Errorf("got %d pending, want 0", got)
			}
		})
	}
}

// B-14: a mechListMIC that came and cannot be checked.
func TestNegotiateWithMIC(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	challenge := c.ask(opening(t, message1(), spnego.NTLMSSP))
	third, err := (&spnego.NegTokenResp{ResponseToken: message3(challenge, "alice", "secret-a"), MechListMIC: make([]byte, 16)}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	last := c.get(negotiate(third))
	last.wantUser(t, "alice")
	if end := last.resp(t, 200, spnego.AcceptCompleted); end.MechListMIC != nil {
		t.Error("got a mechListMIC made of nothing")
	}
}

// B-14: a client that asks for the MIC that no verifier can make gets in by its
// Type 3 as ever, and is promised nothing.
func TestNegotiateRequestsMIC(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	challenge := c.ask(opening(t, message1(), spnego.NTLMSSP))
	third, err := (&spnego.NegTokenResp{NegState: spnego.RequestMIC, ResponseToken: message3(challenge, "alice", "secret-a")}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	last := c.get(negotiate(third))
	last.wantUser(t, "alice")
	if end := last.resp(t, 200, spnego.AcceptCompleted); end.MechListMIC != nil {
		t.Error("got a mechListMIC made of nothing")
	}
}

// B-14: what a connection that knows somebody is sent instead of a first token.
func TestNegotiateHostileTokens(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	deep := []byte{}
	for range 10_000 {
		deep = append(deep, 0x30, 0x80)
	}
	noMechs := []byte("\x60\x12\x06\x06" + string(spnego.SPNEGO) + "\xa0\x08\x30\x06\xa0\x04\x30\x02\x30\x00")
	tests := []struct {
		name  string
		token []byte
		kind  identity.Kind
		hint  string
	}{
		{"empty", nil, identity.KindBadToken, ""},
		{"nonsense", []byte("nothing of the kind"), identity.KindBadToken, ""},
		{"empty mechTypes", noMechs, identity.KindBadToken, ""},
		{"no mechTypes", []byte("\x60\x0c\x06\x06" + string(spnego.SPNEGO) + "\xa0\x02\x30\x00"), identity.KindBadToken, ""},
		{"length 2^31", []byte("\x60\x84\x80\x00\x00\x00"), identity.KindBadToken, ""},
		{"depth 10,000", deep, identity.KindBadToken, ""},
		{"cut short", opening(t, message1(), spnego.NTLMSSP)[:20], identity.KindBadToken, ""},
		{"NegTokenResp first", going(t, message1()), identity.KindState, ""},
		{"raw Type 3 first", message3(ntlmMessage(2, "challenge-1"), "alice", "secret-a"), identity.KindState, ""},
		{"Type 3 in a NegTokenInit", opening(t, message3(ntlmMessage(2, "challenge-1"), "alice", "secret-a"), spnego.NTLMSSP), identity.KindState, ""},
		{"raw Type 2", ntlmMessage(2, "x"), identity.KindState, ""},
		{"Type 4", opening(t, ntlmMessage(4, "x"), spnego.NTLMSSP), identity.KindState, ""},
		{"Kerberos token said to be NTLM", opening(t, shortKerberosToken(), spnego.NTLMSSP), identity.KindBadToken, ""},
		{"raw Kerberos", shortKerberosToken(), identity.KindScheme, "no verify keytab"},
		{"large raw Kerberos", kerberosToken(48 << 10), identity.KindScheme, "no verify keytab"},
		{"Kerberos alone", opening(t, shortKerberosToken(), spnego.MSKerberos, spnego.Kerberos), identity.KindScheme, "no verify keytab"},
		{"NegoEx alone", opening(t, []byte("x"), spnego.NegoEx), identity.KindScheme, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			challenges := d.dir.challenges
			c := d.dial(t)
			c.login("alice", "secret-a").wantUser(t, "alice")
			c.get(negotiate(tt.token)).want(t, 401, negotiated...)
			d.wantReason(t, tt.kind)
			_, fields := d.last(t)
			if hint, _ := fields["hint"].(string); !strings.Contains(hint, tt.hint) || tt.hint == "" && hint != "" {
				t.Errorf("got hint %q, want %q", hint, tt.hint)
			}
			c.get().want(t, 401, negotiated...) // what the connection remembered is gone
			if d.dir.challenges != challenges+1 {
				t.Error("a controller was asked")
			}
		})
	}
}

// B-14: what comes instead of the Type 3 ends the handshake.
func TestNegotiateHostileEnd(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	resp := func(r spnego.NegTokenResp) []byte {
		token, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	tests := []struct {
		name string
		make func(third []byte) string
		kind identity.Kind
	}{
		{"reject", func([]byte) string { return negotiate(resp(spnego.NegTokenResp{NegState: spnego.Rejected})) }, identity.KindBadToken},
		{"no token", func([]byte) string { return negotiate(resp(spnego.NegTokenResp{NegState: spnego.AcceptIncomplete})) }, identity.KindBadToken},
		{"request-mic and a Type 1", func([]byte) string {
			return negotiate(resp(spnego.NegTokenResp{NegState: spnego.RequestMIC, ResponseToken: message1()}))
		}, identity.KindState},
		{"another mechanism", func(third []byte) string {
			return negotiate(resp(spnego.NegTokenResp{SupportedMech: spnego.Kerberos, ResponseToken: third}))
		}, identity.KindBadToken},
		{"no NTLM", func([]byte) string { return negotiate(going(t, []byte("junk"))) }, identity.KindBadToken},
		{"raw", func(third []byte) string { return negotiate(third) }, identity.KindState},
		{"scheme NTLM", func(third []byte) string { return authorization("NTLM", third) }, identity.KindState},
		{"cut short", func(third []byte) string { return negotiate(going(t, third)[:9]) }, identity.KindBadToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := d.dial(t)
			third := message3(c.ask(opening(t, message1(), spnego.NTLMSSP)), "alice", "secret-a")
			c.get(tt.make(third)).want(t, 401, negotiated...)
			d.wantReason(t, tt.kind)
			d.dir.checkClosed(t)
			c.get(negotiate(going(t, third))).want(t, 401, negotiated...)
			d.wantReason(t, identity.KindState)
		})
	}
}

// The scheme of the first leg is that of the last.
func TestNegotiateSchemeSwitch(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	challenge := c.get(type1()).challenge()
	c.get(negotiate(going(t, message3(challenge, "alice", "secret-a")))).want(t, 401, negotiated...)
	d.wantReason(t, identity.KindState)
	d.dir.checkClosed(t)
	challenge = c.get(type1()).challenge()
	c.get(negotiate(message3(challenge, "alice", "secret-a"))).want(t, 401, negotiated...)
	challenge = c.get(negotiate(message1())).token(t)
	c.get(authorization("NTLM", message3(challenge, "alice", "secret-a"))).want(t, 401, negotiated...)
	d.dir.checkClosed(t)
	// In the round before the challenge, too.
	c.get(negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP)))
	c.get(type3(ntlmMessage(2, "x"), "alice", "secret-a")).want(t, 401, negotiated...)
	d.wantReason(t, identity.KindState)
}

// A client may begin again, in either way and from any point.
func TestNegotiateBeginsAgain(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	c.get(negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP)))
	c.ask(opening(t, message1(), spnego.NTLMSSP))
	c.get(negotiate(message1()))
	c.login("bob", "secret-b").wantUser(t, "bob")
	c.loginNegotiate("alice", "secret-a").wantUser(t, "alice")
	c.loginNegotiate("bob", "wrong").want(t, 401, negotiated...)
	d.wantReason(t, identity.KindBadCredentials)
	c.get().want(t, 401, negotiated...) // dropped on failure
	d.dir.checkClosed(t)
	if got := d.pending.taken.Load(); got != 0 {
		t.Errorf("got %d pending, want 0", got)
	}
}

// B-15.
func TestNegotiateOnAnotherConnection(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	reselect := negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP))
	a, b := d.dial(t), d.dial(t)
	a.get(reselect)
	b.get(negotiate(going(t, message1()))).want(t, 401, negotiated...) // the second leg of three
	d.wantReason(t, identity.KindState)
	challenge := a.get(negotiate(going(t, message1()))).resp(t, 401, spnego.AcceptIncomplete).ResponseToken
	third := negotiate(going(t, message3(challenge, "alice", "secret-a")))
	b.get(third).want(t, 401, negotiated...)
	d.wantReason(t, identity.KindState)
	b.ask(opening(t, message1(), spnego.NTLMSSP))
	b.get(third).want(t, 401, negotiated...)
	d.wantReason(t, identity.KindBadCredentials)
	a.get(third).wantUser(t, "alice")
	b.get().want(t, 401, negotiated...)
}

//
func TestNegotiateRequestInMidHandshake(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	c.get(negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP)))
	c.get().want(t, 401, negotiated...)
	c.get(negotiate(going(t, message1()))).want(t, 401, negotiated...)
	challenge := c.ask(opening(t, message1(), spnego.NTLMSSP))
	c.get().want(t, 401, negotiated...)
	d.dir.checkClosed(t)
	c.get(negotiate(going(t, message3(challenge, "alice", "secret-a")))).want(t, 401, negotiated...)
	d.wantReason(t, identity.KindState)
}

//
func TestNegotiateOversize(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	for name, token := range map[string][]byte{
		"token over 64 KiB":       kerberosToken(65 << 10),
		"raw Type 1 over 4 KiB":   ntlmMessage(1, strings.Repeat("x", 5<<10)),
		"inner Type 1 over 4 KiB": opening(t, ntlmMessage(1, strings.Repeat("x", 5<<10)), spnego.NTLMSSP),
	} {
		t.Run(name, func(t *testing.T) {
			got := d.dial(t).get(negotiate(token))
			got.want(t, 400)
			if !got.Close {
				t.Error("the connection stays open")
			}
			d.wantReason(t, identity.KindOversize)
		})
	}
	c := d.dial(t)
	challenge := c.ask(opening(t, message1(), spnego.NTLMSSP))
	c.get(negotiate(going(t, message3(challenge, strings.Repeat("x", 33<<10), "y")))).want(t, 400)
	d.wantReason(t, identity.KindOversize)
	d.dir.checkClosed(t)
	d.dial(t).get("Authorization: Negotiate !").want(t, 400)
	d.wantReason(t, identity.KindMalformed)
}

//
func TestNegotiateBarriers(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	first := negotiate(opening(t, message1(), spnego.NTLMSSP))
	d.dial(t).get("Connection: close", first).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindNotPersistent)
	c := d.dial(t)
	c.get(negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP)))
	c.get("Connection: close", negotiate(going(t, message1()))).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindNotPersistent)
	c = d.dial(t)
	third := negotiate(going(t, message3(c.ask(opening(t, message1(), spnego.NTLMSSP)), "alice", "secret-a")))
	c.get("Connection: close", third).wantUser(t, "alice")
	c = d.dial(t)
	c.loginNegotiate("alice", "secret-a").wantUser(t, "alice")
	c.get("Via: 1.1 squid").want(t, 401, basicChallenge)
	c.get(first).want(t, 401, basicChallenge)
	d.wantReason(t, identity.KindProxySeen)
	c.get(third).want(t, 401, basicChallenge)
}

// A-24, in both rounds in which a client may let us wait.
func TestNegotiateDeadline(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	d.limits.handshake = 20 * time.Millisecond
	for _, first := range [][]byte{opening(t, nil, spnego.Kerberos, spnego.NTLMSSP), opening(t, message1(), spnego.NTLMSSP)} {
		c := d.dial(t)
		c.get(negotiate(first)).resp(t, 401, spnego.AcceptIncomplete)
		for deadline := time.Now().Add(5 * time.Second); d.pending.taken.Load() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the handshake outlived its deadline")
			}
		}
		d.dir.checkClosed(t)
		c.get(negotiate(going(t, message1()))).want(t, 401, negotiated...)
		d.wantReason(t, identity.KindHandshakeTimeout)
	}
}

// B-03: the round before the challenge counts too, and the one after it needs no
// second place.
func TestNegotiateTooManyPending(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	d.pending.limit = 1
	a, b := d.dial(t), d.dial(t)
	a.get(negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP)))
	b.get(negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP))).want(t, 503)
	d.wantReason(t, identity.KindTooManyPending)
	challenge := a.get(negotiate(going(t, message1()))).resp(t, 401, spnego.AcceptIncomplete).ResponseToken
	b.get(negotiate(message1())).want(t, 503)
	a.get(negotiate(going(t, message3(challenge, "alice", "secret-a")))).wantUser(t, "alice")
	b.loginNegotiate("bob", "secret-b").wantUser(t, "bob")
}

// E-01: a controller that fails is no password prompt, at either leg.
func TestNegotiateControllersDown(t *testing.T) {
	down := func(context.Context) error { return identity.Fail(identity.KindUnavailable, nil) }
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	d.dir.start = down
	c.get(negotiate(opening(t, message1(), spnego.NTLMSSP))).want(t, 503)
	c.get(negotiate(opening(t, nil, spnego.Kerberos, spnego.NTLMSSP)))
	c.get(negotiate(going(t, message1()))).want(t, 503)
	d.dir.start, d.dir.finish = nil, func(context.Context) error { return identity.Fail(identity.KindClientSigning, nil) }
	c.loginNegotiate("alice", "secret-a").want(t, 503)
	d.wantReason(t, identity.KindClientSigning)
	d.dir.finish = nil
	c.get().want(t, 401, negotiated...)
}

//
func TestNegotiateBody(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	c := d.dial(t)
	post := func(token []byte) answer {
		c.send("POST", "/", strings.Repeat("x", 300<<10), negotiate(token))
		return c.receive("POST")
	}
	post(opening(t, shortKerberosToken(), spnego.Kerberos, spnego.NTLMSSP)).resp(t, 401, spnego.AcceptIncomplete)
	challenge := post(going(t, message1())).resp(t, 401, spnego.AcceptIncomplete).ResponseToken
	got := post(going(t, message3(challenge, "alice", "secret-a")))
	if want := "alice:" + strings.Repeat("x", 300<<10); got.StatusCode != 200 || got.text != want || d.served.Load() != 1 {
		t.Errorf("got %d, %d bytes, %d requests at the application", got.StatusCode, len(got.text), d.served.Load())
	}
}

// Whom no rule lets in has proven who he is: the negotiation is complete.
func TestNegotiateDenied(t *testing.T) {
	d := newNegotiateDoor(t, func(d *door) { d.Require = &policy.Rule{User: []string{"bob"}} })
	c := d.dial(t)
	c.loginNegotiate("alice", "secret-a").resp(t, 403, spnego.AcceptCompleted)
	c.get().want(t, 403)
	d.dir.resolve = func(*identity.Identity) error { return identity.Fail(identity.KindNotFound, nil) }
	d.dial(t).loginNegotiate("bob", "secret-b").want(t, 403)
}

// The last token of an outer door goes with no refusal of an inner one, which may
// have challenges of its own or none that works.
func TestNegotiateNestedDoors(t *testing.T) {
	for _, tt := range []struct {
		inner Handler
		want  []string
	}{{Handler{InsecureBasic: true}, both}, {Handler{Schemes: []string{"basic"}}, nil}} {
		d := newNegotiateDoor(t, func(d *door) {
			tt.inner.log, tt.inner.now = zap.NewNop(), time.Now
			if err := tt.inner.settle([]directory{newFakeDirectory("INNER")}); err != nil {
				t.Fatal(err)
			}
			d.inner = []caddyhttp.MiddlewareHandler{&tt.inner}
		})
		d.dial(t).loginNegotiate("alice", "secret-a").want(t, 401, tt.want...)
	}
}
