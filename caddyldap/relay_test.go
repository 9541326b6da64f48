package caddyldap

import (
	"errors"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

func TestNTLM(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	for _, c := range []struct {
		name   string
		client ntlm.Client
		want   identity.Kind
		sam    string
	}{
		{"right", ntlm.Client{Domain: "EXAMPLE", User: "alice", Password: "Secr3t-alice"}, 0, "alice"},
		{"no domain", ntlm.Client{User: "alice", Password: "Secr3t-alice"}, 0, "alice"},
		{"DNS domain", ntlm.Client{Domain: "example.test", User: "alice", Password: "Secr3t-alice"}, 0, "alice"},
		{"foreign domain", ntlm.Client{Domain: "OTHER", User: "alice", Password: "Secr3t-alice"}, identity.KindMismatch, ""},
		{"UPN", ntlm.Client{User: "bob.baker@example.test", Password: "Secr3t-bob"}, 0, "bob"},
		{"wrong password", ntlm.Client{User: "alice", Password: "wrong"}, identity.KindBadCredentials, ""},
		{"disabled", ntlm.Client{User: "disabled", Password: "Secr3t-disabled"}, identity.KindDisabled, ""},
		{"blank name", ntlm.Client{User: " ", Password: "x"}, identity.KindBadName, ""},
		{"asks for signing", ntlm.Client{User: "alice", Password: "Secr3t-alice", Flags: ntlm.NegotiateSign}, identity.KindClientSigning, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := logInNTLM(t, d, &c.client)
			if (c.sam == "") != (err != nil) || err != nil && identity.KindOf(err) != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil && (id.SAM != c.sam || id.Logon() != `EXAMPLE\`+c.sam || id.Verifier != "relay") {
				t.Errorf("got %+v", id.Account)
			}
		})
	}
}

func TestControllerRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		quirks demodir.Quirks
		user   string
		want   identity.Kind
	}{
		{"signing", demodir.Quirks{SigningRequired: true}, "alice", identity.KindSigningRequired},
		{"channel binding", demodir.Quirks{BadBindings: true}, "alice", identity.KindChannelBinding},
		{"busy", demodir.Quirks{Busy: true}, "alice", identity.KindBusy},
		{"guest", demodir.Quirks{GuestMap: true}, "nobody", identity.KindGuestMapped},
		{"guest, nameless", demodir.Quirks{GuestMap: true, NoTokenGroups: true}, "nobody", identity.KindGuestMapped},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _ := open(t, demoDirectory(startDemo(t, func(cfg *demodir.Config) { cfg.Quirks = c.quirks })), "EXAMPLE")
			id, err := logInNTLM(t, d, &ntlm.Client{User: c.user, Password: "Secr3t-alice"})
			e, ok := errors.AsType[*identity.Error](err)
			if !ok || e.Kind != c.want || e.Hint == "" {
				t.Errorf("got %v, %v, want %v and a hint", id, err, c.want)
			}
		})
	}
}
