package adapt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// What a configuration is warned of when it is adapted and provisioned: it works,
// and is probably not what was meant. A file without a warning holds what looks
// like a mistake and is none.
func TestWarned(t *testing.T) {
	for _, file := range files(t, "warned/*.caddyfile") {
		t.Run(file, func(t *testing.T) {
			golden(t, strings.TrimSuffix(file, ".caddyfile")+".log", warnings(t, file))
		})
	}
}

// warnings adapts and provisions a file, and gives the warnings of this plugin
// without their times.
func warnings(t *testing.T, file string) []byte {
	t.Helper()
	adapting, provisioning := filepath.Join(t.TempDir(), "adapting"), filepath.Join(t.TempDir(), "provisioning")
	running, err := json.Marshal(caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}, Logging: warningsTo(adapting)})
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(running, true); err != nil {
		t.Fatal(err)
	}
	config, err := adapt(file, read(t, file))
	if err := errorOf(err, caddy.Stop()); err != nil {
		t.Fatal(err)
	}
	if err := provisionWith(t, config, warningsTo(provisioning)); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(shortLines(t, adapting), shortLines(t, provisioning))
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func warningsTo(file string) *caddy.Logging {
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{
		Level:      "WARN",
		WriterRaw:  fmt.Appendf(nil, `{"output": "file", "filename": %q}`, file),
		EncoderRaw: json.RawMessage(`{"format": "json"}`),
	}}}}
}

// shortLines are the lines of a log that are about words of this plugin.
func shortLines(t *testing.T, file string) []byte {
	t.Helper()
	var short bytes.Buffer
	encoder := json.NewEncoder(&short)
	encoder.SetEscapeHTML(false)
	for raw := range bytes.Lines(read(t, file)) {
		var line map[string]any
		if err := json.Unmarshal(raw, &line); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		logger, _ := line["logger"].(string)
		if !slices.Contains([]string{"caddyfile", "ldap", "http.handlers.windows_auth", "http.handlers.require", "windows_auth"}, logger) {
			continue
		}
		delete(line, "ts")
		if err := encoder.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	return short.Bytes()
}
