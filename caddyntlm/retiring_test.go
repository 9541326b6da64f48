package caddyntlm

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// newRefusingDoor is a door of tickets and passwords that turns NTLM away, where the
// directory could do it.
func newRefusingDoor(t *testing.T, change func(*door)) *door {
	t.Helper()
	return newTicketDoor(t, func(d *door) {
		d.NTLM = NTLMRefuse
		if change != nil {
			change(d)
		}
	})
}

// TestNTLMWordAtLoad: what ntlm refuse leaves nothing of does not load.
func TestNTLMWordAtLoad(t *testing.T) {
	for name, c := range map[string]struct {
		word                       string
		schemes                    []string
		noTickets, noPasswords     bool
		want                       string
		negotiates, ntlm, password bool
	}{
		"default":                  {negotiates: true, ntlm: true, password: true},
		"warn":                     {word: NTLMWarn, negotiates: true, ntlm: true, password: true},
		"another word":             {word: "audit", want: "^ntlm: unknown word audit; known: allow, warn, refuse$"},
		"refuse":                   {word: NTLMRefuse, negotiates: true, password: true},
		"refuse, no tickets":       {word: NTLMRefuse, noTickets: true, password: true},
		"refuse, no passwords":     {word: NTLMRefuse, noPasswords: true, negotiates: true},
		"refuse, neither":          {word: NTLMRefuse, noTickets: true, noPasswords: true, want: "^ntlm refuse leaves no way in"},
		"refuse, named":            {word: NTLMRefuse, schemes: []string{"negotiate", "ntlm"}, want: "^schemes names ntlm, which ntlm refuse turns away"},
		"refuse, negotiate":        {word: NTLMRefuse, schemes: []string{"negotiate"}, negotiates: true},
		"refuse, empty negotiate":  {word: NTLMRefuse, schemes: []string{"negotiate", "basic"}, noTickets: true, want: "^schemes names negotiate, and ntlm refuse leaves Kerberos alone"},
		"refuse, basic":            {word: NTLMRefuse, schemes: []string{"basic"}, password: true},
		"refuse, basic not served": {word: NTLMRefuse, schemes: []string{"basic"}, noPasswords: true, want: "serves basic$"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newFakeDirectory("EXAMPLE")
			dir.noPasswords = c.noPasswords
			if !c.noTickets {
				dir.tickets = &fakeTickets{directory: dir}
			}
			h := &Handler{NTLM: c.word, Schemes: c.schemes, InsecureBasic: true}
			err := h.settle([]directory{dir})
			if c.want != "" {
				if err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			offered := map[scheme]bool{}
			for _, s := range h.offered {
				offered[s] = true
			}
			if offered[schemeNegotiate] != c.negotiates || offered[schemeNTLM] != c.ntlm || offered[schemeBasic] != c.password || (h.ntlm != nil) != c.ntlm {
				t.Errorf("got %v, NTLM by %v, want negotiate %v, ntlm %v, basic %v", h.offered, h.ntlm, c.negotiates, c.ntlm, c.password)
			}
		})
	}
}

// TestNTLMRefused: NTLM is not offered, and who comes by it all the same is told what
// is; the log says why, once a minute a client. Tickets and passwords come in.
func TestNTLMRefused(t *testing.T) {
	remains := []string{"Negotiate", basicChallenge}
	for name, c := range map[string]struct {
		header string
		cause  string
	}{
		"NTLM":               {type1(), "the client chose NTLM"},
		"NTLM, last message": {authorization("NTLM", ntlmMessage(3, "x")), "the client chose NTLM"},
		"bare in Negotiate":  {negotiate(message1()), "the client found no ticket for HTTP/site.example.com"},
		"SPNEGO":             {negotiate(openNTLM), "the client found no ticket"},
		"SPNEGO, two":        {negotiate(opening(t, nil, spnego.NegoEx, spnego.NTLMSSP)), "the client found no ticket"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newRefusingDoor(t, nil)
			c1 := d.dial(t)
			c1.get().want(t, 401, remains...)
			for n, level := range []zapcore.Level{zapcore.WarnLevel, zapcore.DebugLevel} {
				c1.get(c.header).want(t, 401, remains...)
				d.wantReason(t, identity.KindNTLMRefused)
				got, fields := d.last(t)
				if text, _ := fields["error"].(string); got != level || !strings.Contains(text, c.cause) || fields["hint"] == "" {
					t.Errorf("request %d: got %v %v, want %v, %q and a hint", n, got, fields, level, c.cause)
				}
			}
			if d.dir.challenges != 0 {
				t.Errorf("got %d challenges issued, want none", d.dir.challenges)
			}
			c1.get(negotiate(ticketOf("alice"))).wantUser(t, "alice")
			c1.get(basic("bob", "secret-b")).wantUser(t, "bob")
			registry := prometheus.NewRegistry()
			registry.MustRegister(d.meter.metrics)
			if got := figure(t, registry, decisions, "event=refuse", "reason=ntlm_refused"); got != 2 {
				t.Errorf("got %v refusals counted, want 2", got)
			}
		})
	}
	d := newRefusingDoor(t, nil)
	c := d.dial(t)
	c.get(negotiate(going(t, message3(message1(), "alice", "secret-a")))).want(t, 401, remains...)
	c.get(negotiate(opening(t, ticketOf("alice"), spnego.Kerberos, spnego.NTLMSSP))).wantUser(t, "alice")
	c.get(negotiate(opening(t, nil, spnego.NegoEx))).want(t, 401, remains...)
	d.wantReason(t, identity.KindScheme)
}

// TestNTLMRefusedWithoutNegotiate: where Basic alone is left, NTLM inside Negotiate is
// told as what it is, and other tokens as a scheme that is not there.
func TestNTLMRefusedWithoutNegotiate(t *testing.T) {
	d := newDoor(t, func(d *door) { d.NTLM = NTLMRefuse })
	c := d.dial(t)
	for header, kind := range map[string]identity.Kind{
		type1():                       identity.KindNTLMRefused,
		negotiate(message1()):         identity.KindNTLMRefused,
		negotiate(openNTLM):           identity.KindNTLMRefused,
		negotiate(ticketOf("alice")):  identity.KindScheme,
		negotiate([]byte("anything")): identity.KindScheme,
		"Authorization: Bearer x":     identity.KindScheme,
	} {
		c.get(header).want(t, 401, basicChallenge)
		d.wantReason(t, kind)
	}
	c.get(basic("alice", "secret-a")).wantUser(t, "alice")
}

// TestNTLMRefusalIsCarried: whom NTLM has brought in elsewhere is nobody where it is
// turned away: on the same connection, in the middle of a handshake of either scheme,
// and within another windows_auth. Tickets and passwords are as good there.
func TestNTLMRefusalIsCarried(t *testing.T) {
	remains := []string{"Negotiate", basicChallenge}
	carried := func(t *testing.T) *door {
		d := prepareDoor(t, func(d *door) {
			d.Schemes = []string{"negotiate", "ntlm", "basic"}
			d.dir.tickets = &fakeTickets{directory: d.dir}
		})
		d.beside(&Handler{NTLM: NTLMRefuse})
		return d
	}
	for name, login := range map[string]func(*client) answer{
		"NTLM":      func(c *client) answer { return c.login("alice", "secret-a") },
		"Negotiate": func(c *client) answer { return c.loginNegotiate("alice", "secret-a") },
	} {
		t.Run(name, func(t *testing.T) {
			d := carried(t)
			c := d.dial(t)
			login(c).wantUser(t, "alice")
			for _, path := range []string{"/strict", "/inner"} {
				c.at(path).want(t, 401, remains...)
				d.wantReason(t, identity.KindNTLMRefused)
				c.at("/").wantUser(t, "alice")
				d.dir.fresh = 0 // renewed: known by NTLM still
				c.at("/").wantUser(t, "alice")
				c.at(path).want(t, 401, remains...)
			}
		})
	}
	t.Run("handshakes", func(t *testing.T) {
		for _, path := range []string{"/strict", "/inner"} {
			d := carried(t)
			c := d.dial(t)
			if got := c.at(path, type3(c.get(type1()).challenge(), "alice", "secret-a")); got.StatusCode != 401 {
				t.Errorf("%s: got %d %q to a Type 3, want 401", path, got.StatusCode, got.text)
			}
			c = d.dial(t)
			challenge := c.ask(opening(t, message1(), spnego.NTLMSSP))
			if got := c.at(path, negotiate(going(t, message3(challenge, "alice", "secret-a")))); got.StatusCode != 401 {
				t.Errorf("%s: got %d %q to one in Negotiate, want 401", path, got.StatusCode, got.text)
			}
			c = d.dial(t)
			c.get(negotiate(opening(t, nil, spnego.NegoEx, spnego.NTLMSSP))).resp(t, 401, spnego.AcceptIncomplete)
			if got := c.at(path, negotiate(going(t, message1()))); got.StatusCode != 401 {
				t.Errorf("%s: got %d %q to a Type 1 that was waited for, want 401", path, got.StatusCode, got.text)
			}
		}
	})
	t.Run("others", func(t *testing.T) {
		d := carried(t)
		for _, path := range []string{"/strict", "/inner"} {
			c := d.dial(t)
			c.at(path, negotiate(ticketOf("alice"))).wantUser(t, "alice")
			c.at(path, basic("bob", "secret-b")).wantUser(t, "bob")
		}
	})
}
