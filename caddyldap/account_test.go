package caddyldap

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestServiceAccountBinds to a controller that enforces channel binding: by NTLM
// with the binding of its connection, while a relay of a client that sends none
// is refused there.
func TestServiceAccountBinds(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.Quirks.Bindings = true })
	for mechanism, want := range map[string]string{"simple": "", "ntlm": ""} {
		config := demoDirectory(s)
		config.ServiceAccount.Mechanism = mechanism
		d, _ := open(t, config, "EXAMPLE")
		c, err := d.service.connection(t.Context())
		if err != nil {
			t.Errorf("%s: got %v, want %q", mechanism, err, want)
			continue
		}
		if e, err := c.entry(t.Context(), "DC=example,DC=test", "objectClass"); err != nil || e == nil {
			t.Errorf("%s: nobody is bound: %v", mechanism, err)
		}
	}
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	_, err := logInNTLM(t, d, &ntlm.Client{Domain: "EXAMPLE", User: "alice", Password: "Secr3t-alice"})
	if identity.KindOf(err) != identity.KindChannelBinding {
		t.Errorf("a relay without bindings: got %v, want %v", err, identity.KindChannelBinding)
	}
}

// TestRefusedAccountRests: a wrong secret is everybody's 503 and is not tried
// again, or the account would be locked; the right one is tried at once.
func TestRefusedAccountRests(t *testing.T) {
	for _, mechanism := range []string{"simple", "ntlm"} {
		config := demoDirectory(startDemo(t, func(c *demodir.Config) { c.LockoutThreshold = 3 }))
		config.ServiceAccount.Mechanism, config.ServiceAccount.Secret = mechanism, "wrong-Secr3t"
		d, _ := open(t, config, "EXAMPLE")
		for range 5 {
			if _, err := d.service.connection(t.Context()); identity.KindOf(err) != identity.KindServiceAccount {
				t.Errorf("%s: got %v, want %v", mechanism, err, identity.KindServiceAccount)
			}
		}
		config.ServiceAccount.Secret = "Secr3t-svc-web"
		if _, err := d.service.connection(t.Context()); err != nil {
			t.Errorf("%s: the right secret after five wrong tries: %v", mechanism, err)
		}
	}
}

// TestKerberosFailures: what the centre or the machine is to blame for is tried
// elsewhere; what the account is to blame for is not tried again.
func TestKerberosFailures(t *testing.T) {
	for cause, want := range map[error]identity.Kind{
		krb.ErrClock: identity.KindUnavailable, krb.ErrUnreachable: identity.KindUnavailable,
		krb.ErrRefused: identity.KindServiceAccount, krb.ErrCredential: identity.KindServiceAccount,
		krb.ErrImpostor: identity.KindProtocol, krb.ErrMalformed: identity.KindProtocol,
	} {
		if got := identity.KindOf(explainKerberos(cause)); got != want {
			t.Errorf("%v: got %v, want %v", cause, got, want)
		}
	}
}

// TestKerberosWithoutKDC: a service account by ticket where nothing listens on
// port 88 is a server's trouble and leaves the account alone.
func TestKerberosWithoutKDC(t *testing.T) {
	config := demoDirectory(startDemo(t, nil))
	config.ServiceAccount.Mechanism = "kerberos"
	config.ServiceAccount.Name = "svc-web@EXAMPLE.TEST"
	d, _ := open(t, config, "EXAMPLE")
	_, err := d.service.connection(t.Context())
	if identity.KindOf(err) != identity.KindUnavailable || !d.service.until.IsZero() {
		t.Errorf("got %v, resting until %v, want %v and no rest", err, d.service.until, identity.KindUnavailable)
	}
}
