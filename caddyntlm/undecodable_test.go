package caddyntlm

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// undecodable are headers that have no reading, or more than one.
var undecodable = map[string][]string{
	"two headers":                     {basic("alice", "secret-a"), type1()},
	"the same twice":                  {type1(), type1()},
	"the second in lower case":        {basic("alice", "secret-a"), "authorization: Basic YWxpY2U6c2VjcmV0LWE="},
	"the second empty":                {basic("alice", "secret-a"), "Authorization:"},
	"the first empty":                 {"Authorization:", basic("alice", "secret-a")},
	"three":                           {type1(), type1(), type1()},
	"list":                            {type1() + ", Basic YTpi"},
	"list without a space":            {basic("alice", "secret-a") + ",NTLM TlRMTVNTUAABAAAA"},
	"list of the same":                {basic("alice", "secret-a") + ", " + basic("alice", "secret-a")[len("Authorization: "):]},
	"comma at the end":                {basic("alice", "secret-a") + ","},
	"comma before":                    {"Authorization: , Basic YTpi"},
	"comma after the scheme":          {"Authorization: NTLM, Basic YTpi"},
	"tab for the space":               {"Authorization: NTLM\tTlRMTVNTUAABAAAA"},
	"tab and space":                   {"Authorization: NTLM\t TlRMTVNTUAABAAAA"},
	"space and tab":                   {"Authorization: NTLM \tTlRMTVNTUAABAAAA"},
	"tab in base64":                   {"Authorization: NTLM TlRM\tTVNTUAABAAAA"},
	"space in base64":                 {"Authorization: NTLM TlRM TVNTUAABAAAA"},
	"space in a password":             {"Authorization: Basic YWxpY2U6 c2VjcmV0LWE="},
	"line folded":                     {"Authorization: NTLM TlRM\r\n TVNTUAABAAAA"},
	"URL alphabet":                    {"Authorization: Basic _-_-"},
	"URL alphabet, NTLM":              {"Authorization: NTLM TlRMTVNTUAAB_-__"},
	"URL alphabet, Negotiate":         {"Authorization: Negotiate TlRMTVNTUAAB_-__"},
	"junk behind":                     {"Authorization: Basic YTpi=x"},
	"junk behind the padding":         {"Authorization: Basic YTpiYw==YTpi"},
	"a parameter behind":              {basic("alice", "secret-a") + "; realm=x"},
	"a word behind":                   {basic("alice", "secret-a") + " x"},
	"no padding":                      {"Authorization: Basic YTpiYw"},
	"half the padding":                {"Authorization: Basic YTpiYw="},
	"too much padding":                {"Authorization: Basic YTpi===="},
	"padding alone":                   {"Authorization: NTLM ="},
	"bits in the padding":             {"Authorization: Basic YWxpY2U6c2VjcmV0LWF="},
	"bits in the padding, Negotiate":  {"Authorization: Negotiate YIJ="},
	"quoted":                          {`Authorization: Basic "YTpi"`},
	"an equals sign after the scheme": {"Authorization: NTLM=TlRMTVNTUAABAAAA, x"},
	"a letter outside ASCII":          {"Authorization: NTLM TlRMTVNTUAAB\xc3\xa4AAA"},
	"a scheme outside ASCII":          {"Authorization: N\xc3\xa4TLM TlRMTVNTUAABAAAA"},
	"a dotless i in the scheme":       {"Authorization: Bas\xc4\xb1c YTpi"},
	"no scheme":                       {"Authorization: ==="},
	"empty value":                     {"Authorization:"},
	"blanks alone":                    {"Authorization: \t "},
}

// a header that cannot be decoded, or two of them, ends the connection and
// all that it held, whatever it held.
func TestUndecodableHeaders(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	for name, headers := range undecodable {
		for state, reach := range map[string]func(c *client){
			"new":           func(*client) {},
			"challenged":    func(c *client) { c.get(type1()) },
			"authenticated": func(c *client) { c.login("alice", "secret-a").wantUser(t, "alice") },
		} {
			t.Run(name+", "+state, func(t *testing.T) {
				c := d.dial(t)
				reach(c)
				asked, served := d.dir.asked.Load(), d.served.Load()
				got := c.get(headers...)
				got.want(t, 400)
				if !got.Close {
					t.Error("the connection stays open")
				}
				d.wantReason(t, identity.KindMalformed)
				if level, _ := d.last(t); level != zapcore.WarnLevel {
					t.Errorf("got a line at %v, want WARN", level)
				}
				d.dir.checkClosed(t)
				if d.dir.asked.Load() != asked || d.served.Load() != served {
					t.Error("a controller was asked, or the application")
				}
			})
		}
	}
}

// Blanks around a value are not part of it (RFC 9110 5.5), and more spaces than
// one are what some clients send.
func TestBlanksAroundAreNothing(t *testing.T) {
	d := newDoor(t, nil)
	const value = "YWxpY2U6c2VjcmV0LWE="
	for _, header := range []string{"Authorization:Basic " + value, "Authorization:\tBasic " + value + "\t", "Authorization:   Basic   " + value + "  "} {
		d.dial(t).get(header).wantUser(t, "alice")
	}
}

// fill makes a token of n bytes of one that starts it.
func fill(start []byte, n int) []byte {
	return append(bytes.Clone(start), make([]byte, n-len(start))...)
}

// each limit, exactly at it and one byte above.
func TestOversizeTokens(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	exactly := func(n int, make func(pad int) []byte) []byte {
		token := make(0)
		for pad := n - len(token); len(token) != n; pad += n - len(token) {
			token = make(pad)
		}
		return token
	}
	pair := func(n int) []byte { return append([]byte("nobody:"), bytes.Repeat([]byte("x"), n-7)...) }
	init := func(inner func(n int) []byte) func(n int) []byte {
		return func(n int) []byte { return opening(t, inner(n), spnego.NTLMSSP) }
	}
	first := func(n int) []byte { return fill(message1(), n) }
	ticket := func(n int) []byte { return exactly(n, kerberosToken) }
	for _, tt := range []struct {
		name   string
		scheme string
		limit  int
		token  func(n int) []byte
		status int           // at the limit
		kind   identity.Kind // of the same
	}{
		{"Type 1", "NTLM", maxNegotiate, first, 401, 0},
		{"Type 1, raw", "Negotiate", maxNegotiate, first, 401, 0},
		{"Type 1, in SPNEGO", "Negotiate", maxNegotiate, init(first), 401, 0},
		{"Type 3", "NTLM", maxAuthenticate, func(n int) []byte { return fill(ntlmMessage(3, "x"), n) }, 401, identity.KindState},
		{"Type 2", "NTLM", maxAuthenticate, func(n int) []byte { return fill(ntlmMessage(2, "x"), n) }, 401, identity.KindState},
		{"Kerberos", "Negotiate", maxSPNEGO, ticket, 401, identity.KindScheme},
		{"name and password", "Basic", maxBasic, pair, 401, identity.KindBadCredentials},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := d.dial(t)
			got := c.get(authorization(tt.scheme, tt.token(tt.limit)))
			if got.StatusCode != tt.status || got.Close {
				t.Errorf("at the limit: got %d, close %v, want %d", got.StatusCode, got.Close, tt.status)
			}
			if tt.kind != 0 {
				d.wantReason(t, tt.kind)
			}
			for _, over := range []int{1, 2, 3, 4, 1 << 10} {
				c := d.dial(t)
				c.login("alice", "secret-a").wantUser(t, "alice")
				got := c.get(authorization(tt.scheme, tt.token(tt.limit+over)))
				got.want(t, 400)
				if !got.Close {
					t.Errorf("%d above: the connection stays open", over)
				}
				d.wantReason(t, identity.KindOversize)
			}
		})
	}
	d.conns.endAll() // what is left of the Type 1s that were not too long
}

// a Type 3 inside SPNEGO, at its limit and above, against a challenge.
func TestOversizeAnswerInSPNEGO(t *testing.T) {
	d := newNegotiateDoor(t, nil)
	for over, want := range map[int]identity.Kind{0: identity.KindBadCredentials, 1: identity.KindOversize} {
		c := d.dial(t)
		challenge := c.ask(opening(t, message1(), spnego.NTLMSSP))
		third := fill(append(message3(challenge, "alice", "wrong"), "secret"...), maxAuthenticate+over)
		status := 401
		if over > 0 {
			status = 400
		}
		if got := c.get(negotiate(going(t, third))); got.StatusCode != status {
			t.Errorf("%d above: got %d, want %d", over, got.StatusCode, status)
		}
		d.wantReason(t, want)
		d.dir.checkClosed(t)
	}
}

// where the server's own limit of headers comes first, that answers, and
// no token of the kinds that fit in is cut short.
func TestHeadersOverTheServersLimit(t *testing.T) {
	d := loadDoor(t, "", `"realm": "site.example.com"`)
	large := authorization("NTLM", fill(ntlmMessage(3, "x"), 20<<10))
	c := d.dial(t)
	got := c.get(large)
	if got.StatusCode != 431 || !got.Close || len(got.Header.Values("Www-Authenticate")) > 0 {
		t.Errorf("got %d, close %v %q, want 431 and the connection closed", got.StatusCode, got.Close, got.Header)
	}
	if lines := d.logs.FilterMessage(decision).Len(); lines != 0 {
		t.Errorf("got %d decisions, want none: the door was not reached", lines)
	}
	_ = c.nc.Close()
	for end := time.Now().Add(5 * time.Second); d.remembered() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection is remembered")
		}
	}
	d = loadDoor(t, "", `"realm": "site.example.com", "schemes": ["negotiate", "ntlm"]`)
	d.dial(t).get(authorization("Negotiate", kerberosToken(60<<10))).want(t, 401, "Negotiate", "NTLM")
	if _, fields := lastDecision(t, d.logs); fields["reason"] != identity.KindScheme.String() {
		t.Errorf("got %v, want the whole token read", fields)
	}
	if got := len(base64.StdEncoding.EncodeToString(make([]byte, maxSPNEGO))); got >= negotiateHeaders {
		t.Errorf("a token of the largest size takes %d bytes, and the headers have %d", got, negotiateHeaders)
	}
}
