package caddyldap

import (
	"testing"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestRelayHoldsToTheChannel: threats B-13. A log-in by NTLM that was meant for
// another server is refused, and no controller is asked about it.
func TestRelayHoldsToTheChannel(t *testing.T) {
	ctx := configuration(t)
	d := demoDirectory(startDemo(t, nil))
	d.TLS = &TLS{InsecureSkipVerify: true}
	if err := d.provision(ctx, zap.NewNop(), "EXAMPLE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	right, wrong := [16]byte{1}, [16]byte{2}
	for name, c := range map[string]struct {
		channel *identity.Channel
		client  ntlm.Client
		want    identity.Kind // 0 for success
	}{
		"bound":                {&identity.Channel{Required: true, Bindings: [][16]byte{right}}, ntlm.Client{ChannelBinding: &right}, 0},
		"bound elsewhere":      {&identity.Channel{Bindings: [][16]byte{right}}, ntlm.Client{ChannelBinding: &wrong}, identity.KindProtection},
		"zeros":                {&identity.Channel{Required: true, Bindings: [][16]byte{right}}, ntlm.Client{ChannelBinding: new([16]byte)}, identity.KindProtection},
		"not bound":            {&identity.Channel{Required: true, Bindings: [][16]byte{right}}, ntlm.Client{}, identity.KindProtection},
		"not bound, allowed":   {&identity.Channel{Bindings: [][16]byte{right}}, ntlm.Client{}, 0},
		"the site":             {&identity.Channel{Required: true, Targets: []string{"web.example.com"}}, ntlm.Client{TargetName: "HTTP/web.example.com"}, 0},
		"another site":         {&identity.Channel{Required: true, Targets: []string{"web.example.com"}}, ntlm.Client{TargetName: "HTTP/evil.example.org"}, identity.KindProtection},
		"bound elsewhere, off": {nil, ntlm.Client{ChannelBinding: &wrong}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client := c.client
			client.User, client.Password = "alice", "Secr3t-alice"
			x, err := d.NTLMVerifier().StartNTLM(t.Context(), client.Negotiate(), c.channel)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			authenticate, err := client.Authenticate(x.Challenge())
			if err != nil {
				t.Fatal(err)
			}
			before, _ := metrictest.Sum(t, ctx.GetMetricsRegistry(), exchanges)
			p, err := x.Finish(t.Context(), authenticate)
			if identity.KindOf(err) != c.want && c.want != 0 || c.want == 0 && err != nil {
				t.Fatalf("got %v, %v, want %v", p, err, c.want)
			}
			if p != nil {
				_ = p.Close()
			}
			if after, _ := metrictest.Sum(t, ctx.GetMetricsRegistry(), exchanges); c.want != 0 && after != before {
				t.Error("the controller was asked")
			}
		})
	}
}

// TestMICThatIsTakenAway: threats B-16. A client that has signed that its message has
// a MIC has sent one.
func TestMICThatIsTakenAway(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	x, authenticate := answered(t, d, &ntlm.Client{User: "alice", Password: "Secr3t-alice"})
	message, err := ntlm.ParseAuthenticate(authenticate)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := message.V2(); err != nil || !response.PromisesMIC() || message.MIC == nil {
		t.Fatalf("got %v, %v: the client promises no MIC, and this proves nothing", response, err)
	}
	message.MIC = nil
	stripped, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := x.Finish(t.Context(), stripped); p != nil || identity.KindOf(err) != identity.KindBadToken {
		t.Errorf("got %v, %v, want %v", p, err, identity.KindBadToken)
	}
}

// TestTicketIsHeldToTheChannel: threats C-11, by the bindings in the authenticator and
// the name of the service.
func TestTicketIsHeldToTheChannel(t *testing.T) {
	long := krbforge.Key(aes256, 0x11)
	k := newTicketing(t, long)
	k.write(t, long)
	right, wrong := [16]byte{1}, [16]byte{2}
	bound := func(required bool) *identity.Channel {
		return &identity.Channel{Required: required, Bindings: [][16]byte{right}}
	}
	for name, c := range map[string]struct {
		channel *identity.Channel
		binding [16]byte
		want    identity.Kind // 0 for success
	}{
		"bound":              {bound(true), right, 0},
		"bound elsewhere":    {bound(false), wrong, identity.KindProtection},
		"not bound":          {bound(true), [16]byte{}, identity.KindProtection},
		"not bound, allowed": {bound(false), [16]byte{}, 0},
		"the site":           {&identity.Channel{Required: true, Targets: []string{"web.example.test"}}, right, 0},
		"another site":       {&identity.Channel{Targets: []string{"www.example.test"}}, right, identity.KindProtection},
		"off":                {nil, wrong, 0},
	} {
		k.n++
		k.forge.Sent.CTime, k.forge.Sent.Cusec = k.now, k.n
		copy(k.forge.Sent.Cksum.Checksum[4:], c.binding[:])
		p, _, err := k.VerifyTicket(t.Context(), k.forge.Token(t), c.channel)
		if identity.KindOf(err) != c.want && c.want != 0 || c.want == 0 && err != nil {
			t.Errorf("%s: got %v, %v, want %v", name, p, err, c.want)
		}
	}
}
