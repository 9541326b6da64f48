package caddyldap

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// craft answers a challenge with a message of the test's own making.
func craft(t *testing.T, change func(*ntlm.Authenticate)) []byte {
	t.Helper()
	m := &ntlm.Authenticate{
		User: "alice", Domain: "EXAMPLE", Flags: ntlm.NegotiateUnicode | ntlm.NegotiateNTLM,
		LMResponse: make([]byte, 24), NTResponse: make([]byte, 24),
	}
	change(m)
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFinishRefusesBeforeAsking(t *testing.T) {
	// A controller that lets anonymous clients in would say yes.
	ctx := configuration(t)
	d := openIn(t, ctx, "EXAMPLE", startDemo(t, nil).LDAPS())
	for _, c := range []struct {
		name    string
		message []byte
		want    identity.Kind
	}{
		{"anonymous", craft(t, func(m *ntlm.Authenticate) {
			m.User, m.Domain, m.NTResponse, m.LMResponse = "", "", nil, []byte{0}
			m.Flags |= ntlm.NegotiateAnonymous
		}), identity.KindAnonymous},
		{"anonymous, not flagged", craft(t, func(m *ntlm.Authenticate) { m.User, m.NTResponse, m.LMResponse = "", nil, nil }), identity.KindAnonymous},
		{"no response", craft(t, func(m *ntlm.Authenticate) { m.NTResponse, m.LMResponse = nil, nil }), identity.KindAnonymous},
		{"NTLMv1", craft(t, func(*ntlm.Authenticate) {}), identity.KindNTLMv1},
		{"LM or LMv2 alone", craft(t, func(m *ntlm.Authenticate) { m.NTResponse = nil }), identity.KindNTLMv1},
		{"NTLM2 session", craft(t, func(m *ntlm.Authenticate) {
			m.Flags |= ntlm.NegotiateExtendedSessionSecurity
			m.LMResponse[0] = 1
		}), identity.KindNTLMv1},
		{"unknown response", craft(t, func(m *ntlm.Authenticate) { m.NTResponse = make([]byte, 30) }), identity.KindBadToken},
		{"garbage", []byte("NTLMSSP\x00\x03\x00\x00\x00"), identity.KindBadToken},
		{"nothing", nil, identity.KindBadToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := d.NTLMVerifier().StartNTLM(t.Context(), new(ntlm.Client).Negotiate(), nil)
			if err != nil {
				t.Fatal(err)
			}
			before, _ := metrictest.Sum(t, ctx.GetMetricsRegistry(), exchanges)
			if p, err := x.Finish(t.Context(), c.message); p != nil || identity.KindOf(err) != c.want {
				t.Errorf("got %v, %v, want %v", p, err, c.want)
			}
			if after, _ := metrictest.Sum(t, ctx.GetMetricsRegistry(), exchanges); after != before {
				t.Error("the controller was asked")
			}
			if _, err := x.Finish(t.Context(), c.message); identity.KindOf(err) != identity.KindState {
				t.Errorf("a second time: got %v, want %v", err, identity.KindState)
			}
			_ = x.Close()
		})
	}
}

// TestExchangeOutlivesItsRequest holds that the context of StartNTLM ends
// nothing later.
func TestExchangeOutlivesItsRequest(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	client := &ntlm.Client{User: "alice", Password: "Secr3t-alice"}
	ctx, cancel := context.WithCancel(t.Context())
	x, err := d.NTLMVerifier().StartNTLM(ctx, client.Negotiate(), nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	authenticate, err := client.Authenticate(x.Challenge())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	p, err := x.Finish(ctx, authenticate)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = x.Close() // must not take the principal's connection away
	if id, err := d.Resolve(t.Context(), p); err != nil || id.SAM != "alice" {
		t.Errorf("got %v", err)
	}
}

func TestCloseAtAnyTime(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, func(cfg *demodir.Config) { cfg.Slow = 3 * time.Second })), "EXAMPLE")
	client := &ntlm.Client{User: "slow", Password: "Secr3t-slow"}
	x, authenticate := answered(t, d, client)
	var group sync.WaitGroup
	start := time.Now()
	group.Go(func() {
		if p, err := x.Finish(context.Background(), authenticate); err == nil {
			_ = p.Close()
			t.Error("a closed exchange succeeds")
		}
	})
	for range 4 {
		group.Go(func() {
			time.Sleep(50 * time.Millisecond)
			_ = x.Close()
		})
	}
	group.Wait()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestSlowController(t *testing.T) {
	config := demoDirectory(startDemo(t, nil))
	config.Timeout = &Timeout{Request: 300_000_000}
	d, _ := open(t, config, "EXAMPLE")
	start := time.Now()
	if _, err := logIn(t, d, "slow", "Secr3t-slow"); identity.KindOf(err) != identity.KindTimeout {
		t.Errorf("got %v, want %v", err, identity.KindTimeout)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := d.PasswordVerifier().VerifyPassword(ctx, identity.Name{User: "slow"}, identity.NewSecret("x")); err == nil {
		t.Error("a cancelled bind succeeds")
	}
}

// TestManyAtOnce holds that nobody becomes somebody else in a crowd.
func TestManyAtOnce(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	users := []string{"alice", "bob", "carol", "dave", "frank"}
	var group sync.WaitGroup
	for i := range 60 {
		group.Go(func() {
			user := users[i%len(users)]
			var id *identity.Identity
			var err error
			if i%2 == 0 {
				id, err = logIn(t, d, user, "Secr3t-"+user)
			} else {
				id, err = logInNTLM(t, d, &ntlm.Client{User: user, Password: "Secr3t-" + user})
			}
			if err != nil || id.SAM != user {
				t.Errorf("%s: got %v", user, err)
				return
			}
			if fresh, err := d.Refresh(t.Context(), id); err != nil || fresh.SAM != user || fresh.SID != id.SID {
				t.Errorf("%s refreshed: got %v", user, err)
			}
		})
	}
	group.Wait()
}
