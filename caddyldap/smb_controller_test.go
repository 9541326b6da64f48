package caddyldap

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestSMBTooLate: a log-in that has no time left puts no controller aside.
func TestSMBTooLate(t *testing.T) {
	script := new(smbScript)
	config := demoDirectory(startDemo(t, nil))
	config.VerifyRaw = []json.RawMessage{json.RawMessage(`{"verifier":"smb","insecure_unverified_answer":true}`)}
	d, logs := open(t, config, "EXAMPLE")
	d.verifiers[0].(*SMB).dial = func(ctx context.Context, address string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, &net.OpError{Op: "dial", Err: err}
		}
		return script.dial(ctx, address)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if _, err := d.NTLMVerifier().StartNTLM(late, alice().Negotiate(), nil); identity.KindOf(err) != identity.KindTimeout {
		t.Errorf("got %v, want %v", err, identity.KindTimeout)
	}
	if n := logs.FilterMessageSnippet("put aside").Len(); n != 0 {
		t.Errorf("got %d controllers put aside, want none", n)
	}
	if _, err := logInNTLM(t, d, alice()); err != nil {
		t.Errorf("the next log-in: %v", err)
	}
}

// TestSMBMemberServer: a member of the domain, which answers in its name too, has accounts
// of its own, and takes who names no domain for one of those. The domain's it asks a
// controller about.
func TestSMBMemberServer(t *testing.T) {
	for computer, controller := range map[string]bool{"DC1": true, "dc1": true, "RODC1": true, "FILES": false, "NOWHERE": false, "DC*": false} {
		d := overSMB(t, &smbScript{name: computer})
		for domain, want := range map[string]bool{"EXAMPLE": true, "": controller} {
			for range 2 {
				_, err := logInNTLM(t, d, &ntlm.Client{User: "alice", Domain: domain, Password: "Secr3t-alice"})
				if (err == nil) != want || err != nil && identity.KindOf(err) != identity.KindProtocol {
					t.Errorf("%s, domain %q: got %v, want in %v", computer, domain, err, want)
				}
			}
		}
		if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil {
			t.Errorf("%s, Basic: %v", computer, err)
		}
	}
}
