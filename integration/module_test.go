package integration

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// TestOutsideModule: a module outside the tree that imports the root package
// and Caddy, as xcaddy writes one, has the plugin in it.
func TestOutsideModule(t *testing.T) {
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	goMod := read(t, filepath.Join(root, "go.mod"))
	_, requires, _ := strings.Cut(goMod, "\n\n")
	files := map[string]string{
		"go.mod": "module example.org/caddy\n\n" + requires +
			"\nrequire github.com/caddy-ntlm/caddy-ntlm v0.0.0\n\nreplace github.com/caddy-ntlm/caddy-ntlm => " + root + "\n",
		"go.sum": read(t, filepath.Join(root, "go.sum")),
		"main.go": `package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-ntlm/caddy-ntlm"
)

func main() { caddycmd.Main() }
`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-mod=mod", "-o", "caddy", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(dir, "caddy"), "list-modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	for _, want := range []string{"http.handlers.windows_auth", "http.handlers.require", "http.matchers.windows_user", "http.matchers.windows_group", "ldap", "ldap.verifiers.bind", "ldap.verifiers.relay"} {
		if !slices.Contains(modules, want) {
			t.Errorf("%s is not in list-modules", want)
		}
	}
}

// logInByNTLM logs in to a directory by go-ldap's NTLM bind, whose messages are
// go-ntlmssp's.
func logInByNTLM(t *testing.T, url string) {
	t.Helper()
	for password, want := range map[string]bool{"Secr3t-alice": true, "wrong": false} {
		conn, err := ldap.DialURL(url, ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.NTLMBind("EXAMPLE", "alice", password); (err == nil) != want {
			t.Errorf("an NTLM bind with password %s: %v", password, err)
		}
		conn.Close()
	}
}

// freePortHeld is an address that is taken.
func freePortHeld(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
