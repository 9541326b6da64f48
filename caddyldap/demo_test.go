package caddyldap

import (
	"context"
	"errors"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startDemo runs a directory in the process that speaks real LDAP.
func startDemo(t *testing.T, change func(*demodir.Config)) *demodir.Server {
	t.Helper()
	config := demodir.Demo()
	if change != nil {
		change(&config)
	}
	s, err := demodir.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// open makes a directory ready as the app would. Its log is the second result.
func open(t *testing.T, d *Directory, name string) (*Directory, *observer.ObservedLogs) {
	t.Helper()
	if d.TLS == nil {
		d.TLS = &TLS{InsecureSkipVerify: true}
	}
	core, logs := observer.New(zap.DebugLevel)
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := d.provision(ctx, zap.New(core), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	return d, logs
}

func demoDirectory(s *demodir.Server) *Directory {
	return &Directory{
		Server:         []Server{{URL: s.LDAPS()}},
		ServiceAccount: &ServiceAccount{Name: `EXAMPLE\svc-web`, Secret: "Secr3t-svc-web"},
		Timeout:        &Timeout{Dial: caddy.Duration(overall)}, // a busy machine is no dead server
	}
}

func logIn(t *testing.T, d *Directory, name, password string) (*identity.Identity, error) {
	t.Helper()
	p, err := d.PasswordVerifier().VerifyPassword(t.Context(), identity.ParseName(name), identity.NewSecret(password))
	if err != nil {
		return nil, err
	}
	return d.Resolve(t.Context(), p)
}

// answered begins a handshake and makes the client's answer to the challenge.
func answered(t *testing.T, d *Directory, client *ntlm.Client) (x identity.NTLMExchange, authenticate []byte) {
	t.Helper()
	x, err := d.NTLMVerifier().StartNTLM(t.Context(), client.Negotiate(), nil)
	if err != nil {
		t.Fatal(err)
	}
	authenticate, err = client.Authenticate(x.Challenge())
	if err != nil {
		t.Fatal(err)
	}
	return x, authenticate
}

func logInNTLM(t *testing.T, d *Directory, client *ntlm.Client) (*identity.Identity, error) {
	t.Helper()
	x, err := d.NTLMVerifier().StartNTLM(t.Context(), client.Negotiate(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = x.Close() }()
	authenticate, err := client.Authenticate(x.Challenge())
	if err != nil {
		t.Fatal(err)
	}
	p, err := x.Finish(t.Context(), authenticate)
	if err != nil {
		return nil, err
	}
	return d.Resolve(t.Context(), p)
}

// everyWay logs somebody of the demo in by each way, and looks them up again: what
// is known of them is the same.
func everyWay(t *testing.T, d *Directory, user string) map[string]*identity.Identity {
	t.Helper()
	byPassword := mustLogIn(t, d, user)
	byNTLM, err := logInNTLM(t, d, &ntlm.Client{User: user, Password: "Secr3t-" + user})
	if err != nil {
		t.Fatal(err)
	}
	refreshed, err := d.Refresh(t.Context(), byNTLM)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*identity.Identity{"password": byPassword, "ntlm": byNTLM, "refresh": refreshed}
}

func TestLogIn(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	for _, c := range []struct {
		name, password string
		want           identity.Kind // KindInternal for success
		sam            string
	}{
		{"alice", "Secr3t-alice", 0, "alice"},
		{"ALICE", "Secr3t-alice", 0, "alice"},
		{`EXAMPLE\alice`, "Secr3t-alice", 0, "alice"},
		{`example.test\alice`, "Secr3t-alice", 0, "alice"},
		{"alice@example.test", "Secr3t-alice", 0, "alice"},
		{"bob.baker@example.test", "Secr3t-bob", 0, "bob"},
		{"zoë", "Secr3t-zoë", 0, "zoë"},
		{"frank", "Secr3t-frank", 0, "frank"},
		{"alice", "wrong", identity.KindBadCredentials, ""},
		{"nobody", "wrong", identity.KindBadCredentials, ""},
		{"*", "Secr3t-alice", identity.KindBadCredentials, ""},
		{"alice", "", identity.KindEmptyPassword, ""},
		{"alice", " \t", identity.KindEmptyPassword, ""},
		{"", "Secr3t-alice", identity.KindBadName, ""},
		{"alice\x00", "Secr3t-alice", identity.KindBadName, ""},
		{"disabled", "Secr3t-disabled", identity.KindDisabled, ""},
		{"locked", "Secr3t-locked", identity.KindLocked, ""},
		{"expired", "Secr3t-expired", identity.KindAccountExpired, ""},
		{"oldpass", "Secr3t-oldpass", identity.KindPasswordExpired, ""},
		{"mustchange", "Secr3t-mustchange", identity.KindMustChange, ""},
		{"dead", "Secr3t-dead", identity.KindUnavailable, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := logIn(t, d, c.name, c.password)
			if (c.sam == "") != (err != nil) || err != nil && identity.KindOf(err) != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if e, ok := errors.AsType[*identity.Error](err); ok && e.Claimed != identity.ParseName(c.name) {
				t.Errorf("got claimed %q", e.Claimed)
			}
			if err == nil && (id.SAM != c.sam || id.Domain != "EXAMPLE" || id.Home != "EXAMPLE" || id.DNSDomain != "example.test" || id.SID.IsZero()) {
				t.Errorf("got %+v", id.Account)
			}
		})
	}
}

func TestBaseDN(t *testing.T) {
	s := startDemo(t, nil)
	config := demoDirectory(s)
	config.BaseDN = []string{"OU=Elsewhere," + s.BaseDN(), "OU=Nowhere," + s.BaseDN()}
	d, _ := open(t, config, "EXAMPLE")
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); identity.KindOf(err) != identity.KindNotFound {
		t.Errorf("outside: got %v, want %v", err, identity.KindNotFound)
	}
	config = demoDirectory(s)
	config.BaseDN = []string{"OU=Elsewhere," + s.BaseDN(), "ou=staff," + s.BaseDN()}
	d, _ = open(t, config, "EXAMPLE")
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil {
		t.Errorf("inside the second: got %v", err)
	}
}
