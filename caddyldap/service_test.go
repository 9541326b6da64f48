package caddyldap

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestShortForm(t *testing.T) {
	d, _ := open(t, &Directory{Server: []Server{{URL: startDemo(t, nil).LDAPS()}}}, "")
	if id, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil || id.Domain != "EXAMPLE" {
		t.Fatalf("got %v", err)
	}
	if !d.Accepts(identity.ParseName(`EXAMPLE\x`)) || !d.Accepts(identity.ParseName("x@example.test")) || d.Accepts(identity.ParseName(`OTHER\x`)) {
		t.Error("the domain's names are not known after a log-in")
	}
	id, err := logIn(t, d, "alice", "Secr3t-alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Refresh(t.Context(), id); identity.KindOf(err) != identity.KindCannotRefresh {
		t.Errorf("got %v, want %v", err, identity.KindCannotRefresh)
	}
}

// connection is a connection of the pool, which stays in it.
func (s *service) connection(ctx context.Context) (*conn, error) {
	m, err := s.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer s.pool.release(m)
	return m.conn, nil
}

func TestServiceAccount(t *testing.T) {
	s := startDemo(t, nil)
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	id, err := logIn(t, d, "alice", "Secr3t-alice")
	if err != nil {
		t.Fatal(err)
	}
	s.Disconnect() // the service connection is dialled again
	if _, err := d.Refresh(t.Context(), id); err != nil {
		t.Errorf("got %v", err)
	}
	config := demoDirectory(s)
	config.ServiceAccount.Secret = "wrong-Secr3t"
	d, logs := open(t, config, "EXAMPLE")
	_, err = d.Refresh(t.Context(), id)
	if identity.KindOf(err) != identity.KindServiceAccount {
		t.Errorf("got %v, want %v", err, identity.KindServiceAccount)
	}
	config.ServiceAccount.Secret = "Secr3t-svc-web" // as when its file changes
	if _, err := d.Refresh(t.Context(), id); err != nil {
		t.Errorf("with a new secret: got %v", err)
	}
	raw, _ := json.Marshal(logs.All())
	if bytes.Contains(raw, []byte("wrong-Secr3t")) || bytes.Contains([]byte(err.Error()), []byte("wrong-Secr3t")) {
		t.Error("the secret shows")
	}
}

func TestSelfTest(t *testing.T) {
	d, logs := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	d.selfTest(t.Context())
	if len(logs.FilterLevelExact(zap.InfoLevel).All()) != 1 || logs.FilterLevelExact(zap.ErrorLevel).Len() != 0 {
		t.Errorf("got %v", logs.All())
	}
	for name, quirks := range map[string]demodir.Quirks{"signing": {SigningRequired: true}, "binding": {BadBindings: true}, "busy": {Busy: true}} {
		d, logs := open(t, demoDirectory(startDemo(t, func(cfg *demodir.Config) { cfg.Quirks = quirks })), "EXAMPLE")
		d.selfTest(t.Context())
		errs := logs.FilterLevelExact(zap.ErrorLevel).All()
		if len(errs) != 1 || errs[0].ContextMap()["hint"] == nil {
			t.Errorf("%s: got %v", name, logs.All())
		}
	}
}

// TestRefusedSecretComesBack: a secret that was refused, replaced and put back
// gives the refusal again, at once and without asking.
func TestRefusedSecretComesBack(t *testing.T) {
	s := startDemo(t, nil)
	config := demoDirectory(s)
	config.ServiceAccount.Secret = "wrong-Secr3t"
	d, _ := open(t, config, "EXAMPLE")
	for _, c := range []struct {
		secret string
		want   identity.Kind
	}{{"wrong-Secr3t", identity.KindServiceAccount}, {"Secr3t-svc-web", 0}, {"wrong-Secr3t", identity.KindServiceAccount}} {
		config.ServiceAccount.Secret = c.secret
		for _, sv := range d.servers.list {
			d.service.pool.drop(sv)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := d.service.connection(ctx)
		cancel()
		if (c.want == 0) != (err == nil) || err != nil && identity.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want %v", c.secret, err, c.want)
		}
	}
}
