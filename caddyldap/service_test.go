package caddyldap

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
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

// plainOnly leaves the directory without TLS and without a service account.
func plainOnly(d *Directory, s *demodir.Server) {
	d.Server, d.InsecurePlaintext, d.ServiceAccount = []Server{{URL: s.LDAP()}}, true, nil
}

func TestSelfTest(t *testing.T) {
	d, logs := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	d.selfTest(t.Context())
	if logs.FilterMessage("self-test: all is well").Len() != 1 || logs.FilterLevelExact(zap.ErrorLevel).Len() != 0 {
		t.Errorf("got %v", logs.All())
	}
	for name, c := range map[string]struct {
		quirks demodir.Quirks
		change func(*Directory, *demodir.Server)
		want   int
	}{
		"signing":           {demodir.Quirks{SigningRequired: true}, nil, 1},
		"binding":           {demodir.Quirks{BadBindings: true}, nil, 1},
		"bindings compared": {demodir.Quirks{SentBindings: true}, nil, 1},
		"busy":              {demodir.Quirks{Busy: true}, nil, 1},
		"at two servers": {demodir.Quirks{SigningRequired: true}, func(d *Directory, s *demodir.Server) {
			d.Server = append(d.Server, Server{URL: strings.Replace(s.LDAPS(), "127.0.0.1", "localhost", 1)})
		}, 2},
		"plain": {demodir.Quirks{}, plainOnly, 1},
	} {
		s := startDemo(t, func(cfg *demodir.Config) { cfg.Quirks = c.quirks })
		configured := demoDirectory(s)
		if c.change != nil {
			c.change(configured, s)
		}
		d, logs := open(t, configured, "EXAMPLE")
		d.selfTest(t.Context())
		errs := logs.FilterLevelExact(zap.ErrorLevel).All()
		if len(errs) != c.want || len(errs) > 0 && errs[0].ContextMap()["hint"] == nil {
			t.Errorf("%s: got %v, want %d errors with their cures", name, logs.All(), c.want)
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
