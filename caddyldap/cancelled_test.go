package caddyldap

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/metrictest"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestCancelledQuestionEndsItsConnection: threats A-25. Who hangs up while the
// controller thinks takes the connection to it along: it is closed and serves
// nobody else, since the answer may yet come and would be taken for another's.
func TestCancelledQuestionEndsItsConnection(t *testing.T) {
	for name, ask := range map[string]func(t *testing.T, ctx context.Context, d *Directory) error{
		"Type 3": func(t *testing.T, ctx context.Context, d *Directory) error {
			x, authenticate := answered(t, d, &ntlm.Client{User: "slow", Password: "Secr3t-slow"})
			_, err := x.Finish(ctx, authenticate)
			return err // and nobody calls Close
		},
		"password": func(_ *testing.T, ctx context.Context, d *Directory) error {
			_, err := d.PasswordVerifier().VerifyPassword(ctx, identity.Name{User: "slow"}, identity.NewSecret("Secr3t-slow"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startDemo(t, func(c *demodir.Config) { c.Slow = 700 * time.Millisecond })
			caddyCtx := configuration(t)
			d := openIn(t, caddyCtx, "EXAMPLE", s.LDAPS())
			if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil { // the domain's names are known from here on
				t.Fatal(err)
			}
			d.spare.drop(d.servers.all()[0])
			settled(t, s, 0)
			made := func() float64 {
				n, _ := metrictest.Sum(t, caddyCtx.GetMetricsRegistry(), connections, "outcome=ok")
				return n
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			start := time.Now()
			if err := ask(t, ctx, d); err == nil || identity.KindOf(err) == identity.KindBadCredentials {
				t.Errorf("got %v, want a failure that blames nobody", err)
			}
			if took := time.Since(start); took > 600*time.Millisecond {
				t.Errorf("took %v, and the client left after a tenth of a second", took)
			}
			settled(t, s, 0) // once the controller notices
			left := made()
			if _, err := logIn(t, d, "bob", "Secr3t-bob"); err != nil {
				t.Error(err)
			}
			if got := made() - left; got < 1 {
				t.Error("got no connection made for the next one")
			}
		})
	}
}

// TestCancelledBeginningEndsItsConnection: threats A-25, of a Type 1, to a
// controller that never answers it.
func TestCancelledBeginningEndsItsConnection(t *testing.T) {
	closed := make(chan struct{})
	d, _ := open(t, &Directory{Server: []Server{{URL: silent(t, closed)}}, InsecurePlaintext: true}, "EXAMPLE")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if x, err := d.NTLMVerifier().StartNTLM(ctx, new(ntlm.Client).Negotiate(), nil); x != nil || err == nil {
		t.Errorf("got %v, %v, want a failure", x, err)
	}
	select {
	case <-closed:
	case <-time.After(3 * time.Second):
		t.Error("the connection stays open")
	}
}

// settled waits until a controller has so many connections.
func settled(t *testing.T, s *demodir.Server, want int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); s.Connections() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %d connections at the controller, want %d", s.Connections(), want)
		}
	}
}

// silent is a server that reads and never answers; it tells when its first client
// has gone.
func silent(t *testing.T, closed chan<- struct{}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
		close(closed)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return "ldap://" + l.Addr().String()
}
