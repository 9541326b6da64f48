package redis

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-ntlm/caddy-ntlm"
)

// load runs a Caddyfile's windows_auth block in Caddy, until the test ends, and gives what
// the log holds as it grows.
func load(t *testing.T, block string) (log func() string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "caddy.log")
	text := fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %s
	log {
		output file %s {
			roll_disabled
		}
		format json
		level DEBUG
	}
	windows_auth {
%s
	}
}
`, t.TempDir(), file, block)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	check(t, err)
	if bytes.Contains(config, []byte(Password)) {
		t.Errorf("the adapted configuration shows the password: %s", config)
	}
	check(t, caddy.Load(config, true))
	t.Cleanup(func() { check(t, caddy.Stop()) })
	return func() string {
		wrote, _ := os.ReadFile(file)
		return string(wrote)
	}
}

// waitFor waits until a log has a text, and holds it to show no password.
func waitFor(t *testing.T, log func() string, text string) {
	t.Helper()
	for range 200 {
		if strings.Contains(log(), text) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := log(); !strings.Contains(got, text) || strings.Contains(got, Password) {
		t.Errorf("got %s\nwant %q in it, and no password", got, text)
	}
}

// TestSelfTest: the whole way from a Caddyfile to a server, with what is well and what is
// not; a password by placeholder shows nowhere.
func TestSelfTest(t *testing.T) {
	server := start(t, Options{TLS: true})
	secret := filepath.Join(t.TempDir(), "redis.secret")
	check(t, os.WriteFile(secret, []byte(Password+"\n"), 0o600))
	block := func(url, file, more string) string {
		return fmt.Sprintf("store redis %s {\npassword {file.%s}\n%s\n}", url, file, more)
	}
	trusted := "trust_pool file " + server.CA
	t.Run("well", func(t *testing.T) {
		log := load(t, block("rediss://"+server.Address, secret, trusted))
		waitFor(t, log, "self-test: the store answers")
		waitFor(t, log, "set appendonly yes")
	})
	t.Run("unknown authority", func(t *testing.T) {
		waitFor(t, load(t, block("rediss://"+server.Address, secret, "")), "write trust_pool")
	})
	t.Run("wrong password", func(t *testing.T) {
		wrong := filepath.Join(t.TempDir(), "wrong.secret")
		check(t, os.WriteFile(wrong, []byte(Password+"-not"), 0o600))
		waitFor(t, load(t, block("rediss://"+server.Address, wrong, trusted)), "username or password is wrong")
	})
}
