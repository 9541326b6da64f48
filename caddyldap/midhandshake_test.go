package caddyldap

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// visited is a listener that counts who comes and hangs up on them.
func visited(t *testing.T) (url string, visits *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	visits = new(atomic.Int64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return "ldaps://" + l.Addr().String(), visits
}

// TestType3GoesToNobodyElse: threats E-02. The controller that gave the
// challenge dies; the answer is not worth a try at another.
func TestType3GoesToNobodyElse(t *testing.T) {
	s := startDemo(t, nil)
	config := demoDirectory(s)
	other, visits := visited(t)
	config.Server = append(config.Server, Server{URL: other})
	d, _ := open(t, config, "EXAMPLE")
	client := &ntlm.Client{User: "alice", Password: "Secr3t-alice"}
	x, authenticate := answered(t, d, client)
	_ = s.Close()
	if p, err := x.Finish(t.Context(), authenticate); p != nil || identity.KindOf(err) != identity.KindUnavailable {
		t.Errorf("got %v, %v, want %v", p, err, identity.KindUnavailable)
	}
	time.Sleep(50 * time.Millisecond)
	if got := visits.Load(); got != 0 {
		t.Errorf("got %d visits to the other controller, want 0", got)
	}
}
