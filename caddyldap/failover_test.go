package caddyldap

import (
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestDeadUser holds that a request that makes a controller hang up does not
// take the controller away from the others.
func TestDeadUser(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	for range 5 {
		_, _ = logIn(t, d, "dead", "Secr3t-dead")
		if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil {
			t.Fatalf("got %v", err)
		}
	}
}

func TestFailover(t *testing.T) {
	first, second := startDemo(t, nil), startDemo(t, nil)
	config := demoDirectory(first)
	config.Server = append(config.Server, Server{URL: second.LDAPS()})
	d, _ := open(t, config, "EXAMPLE")
	id, err := logIn(t, d, "alice", "Secr3t-alice")
	if err != nil {
		t.Fatal(err)
	}
	client := &ntlm.Client{User: "alice", Password: "Secr3t-alice"}
	x, authenticate := answered(t, d, client)
	_ = first.Close()
	if _, err := x.Finish(t.Context(), authenticate); identity.KindOf(err) != identity.KindUnavailable {
		t.Errorf("an exchange whose controller is gone: got %v, want %v", err, identity.KindUnavailable)
	}
	start := time.Now()
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := d.Refresh(t.Context(), id); err != nil {
		t.Errorf("got %v", err)
	}
	_ = second.Close()
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); identity.KindOf(err) != identity.KindUnavailable {
		t.Errorf("got %v, want %v", err, identity.KindUnavailable)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}
