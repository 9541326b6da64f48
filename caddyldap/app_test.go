package caddyldap

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func openApp(t *testing.T, config string) (*App, caddy.Context, error) {
	t.Helper()
	a := new(App)
	if err := json.Unmarshal([]byte(config), a); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	t.Cleanup(func() { _ = a.Stop() })
	return a, ctx, a.Provision(ctx)
}

func TestAppDirectory(t *testing.T) {
	a, _, err := openApp(t, `{"directories":{"EXAMPLE":{"server":[{"url":"dc1"}]},"PARTNER":{"server":[{"url":"dc2"}]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := a.Directory("EXAMPLE"); err != nil || d.Name() != "EXAMPLE" {
		t.Errorf("got %v", err)
	}
	if d, err := a.Directory("example"); err != nil || d.Name() != "EXAMPLE" {
		t.Errorf("in small letters: got %v", err)
	}
	if _, err := a.Directory("OTHER"); err == nil || !strings.Contains(err.Error(), "EXAMPLE, PARTNER") {
		t.Errorf("got %v, want the names that are known", err)
	}
}

func TestAppProvisionRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{"directories":{"EXAMPLE":null}}`: "ldap EXAMPLE: nothing is configured",
		`{"directories":{"EXAMPLE":{}}}`:   "ldap EXAMPLE: no server",
		`{"directories":{"EXAMPLE":{"server":[{"url":"dc1"}],"service_account":{"name":"svc","secret":"{file./no/such/file}"}}}}`:       "{file./no/such/file}: open /no/such/file: no such file or directory",
		`{"directories":{"EXAMPLE":{"server":[{"url":"dc1"}],"service_account":{"name":"svc","secret":"pre-{env.NO_SUCH_NAME}"}}}}`:     "its secret is empty, or cannot be read",
		`{"directories":{"EXAMPLE":{"server":[{"url":"dc1"}],"tls":{"trust_pool":{"provider":"file","pem_files":["/no/such/file"]}}}}}`: "trust_pool",
	} {
		if _, _, err := openApp(t, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to say %q", config, err, want)
		}
	}
}

// TestOneSecret: directories that share a machine account agree on where its password
// is.
func TestOneSecret(t *testing.T) {
	const directory = `{"domain":"ONESECRET","server":[{"url":"%s"}],"verify":[{"verifier":"netlogon","account":"%s","secret":"%s"}]}`
	for name, c := range map[string]struct {
		account, secret string
		want            string
	}{
		"the same":        {"web01$", "one", ""},
		"another secret":  {"web01$", "two", "ldap SECOND: verify netlogon web01$: another directory gives this account another secret"},
		"another account": {"WEB02$", "two", ""},
	} {
		config := `{"directories":{"FIRST":` + fmt.Sprintf(directory, "dc1", "WEB01$", "one") + `,"SECOND":` + fmt.Sprintf(directory, "dc2", c.account, c.secret) + `}}`
		_, _, err := openApp(t, config)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestAdopt(t *testing.T) {
	a, ctx, err := openApp(t, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	site := func() *Directory {
		return &Directory{Server: []Server{{URL: "ldaps://127.0.0.1:9/DC=example,DC=test"}}, VerifyRaw: []json.RawMessage{[]byte(`{"verifier":"bind"}`)}}
	}
	first, err := a.Adopt(ctx, site())
	if err != nil {
		t.Fatal(err)
	}
	second, err := a.Adopt(ctx, site())
	if err != nil || first != second {
		t.Errorf("the same configuration is adopted twice: %v", err)
	}
	other := site()
	other.BaseDN = []string{"OU=Staff,DC=example,DC=test"}
	third, err := a.Adopt(ctx, other)
	if err != nil || third == first || third.Key() == first.Key() {
		t.Errorf("another configuration is the same directory: %v", err)
	}
	if first.Name() != "example.test" || first.PasswordVerifier() == nil || first.NTLMVerifier() != nil {
		t.Errorf("got %s, %v, %v", first.Name(), first.PasswordVerifier(), first.NTLMVerifier())
	}
	if err := a.Start(); err != nil { // nothing listens there
		t.Errorf("a controller that is down stops the start: %v", err)
	}
	if _, err := a.Adopt(ctx, &Directory{}); err == nil {
		t.Error("adopts a directory without servers")
	}
}

func TestKeyHidesSecret(t *testing.T) {
	config := func(secret string) *Directory {
		return &Directory{Server: []Server{{URL: "dc1"}}, ServiceAccount: &ServiceAccount{Name: "svc", Secret: secret}}
	}
	a, _ := open(t, config("one"), "EXAMPLE")
	b, _ := open(t, config("two"), "EXAMPLE")
	if a.Key() != b.Key() || !strings.HasPrefix(a.Key(), "EXAMPLE#") {
		t.Errorf("got %s and %s", a.Key(), b.Key())
	}
}

func TestSecretFromFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\r\n")
	d, _ := open(t, &Directory{Server: []Server{{URL: "dc1"}}, ServiceAccount: &ServiceAccount{Name: "svc", Secret: "{file." + file + "}"}}, "EXAMPLE")
	for _, want := range []string{"one", "two "} {
		if got, err := d.service.account.evidence(); err != nil || got != identity.NewSecret(want) {
			t.Errorf("got %q, %v, want %q", got.Reveal(), err, want)
		}
		write("two \n")
	}
	d.ServiceAccount.Secret = "a{b}c\\"
	if got, err := d.service.account.evidence(); err != nil || got.Reveal() != "a{b}c\\" {
		t.Errorf("a plain secret with braces: got %v", err)
	}
}
