// Package adapt holds what the words of a Caddyfile become and what a mistake
// in them is answered with: a good and a bad file for each word.
package adapt

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddy-ntlm/caddy-ntlm/caddyfile"
)

var update = flag.Bool("update", false, "write the golden files anew")

// secret is the password in the files here, which no error and no adapted
// configuration may show.
const secret = "Secr3t-never-shown"

// adapt turns a Caddyfile into JSON, as Caddy does, and also fails where Caddy
// warns, for example of a file that caddy fmt would change.
func adapt(name string, text []byte) ([]byte, error) {
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": name})
	for _, w := range warnings {
		err = errorOr(err, "warning: "+w.String())
	}
	return config, err
}

func errorOr(err error, text string) error {
	if err != nil {
		return err
	}
	return warning(text)
}

type warning string

func (w warning) Error() string { return string(w) }

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	return found
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
	}
	if want := read(t, file); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant, as in %s,\n%s", got, file, want)
	}
}

func TestGood(t *testing.T) {
	for _, file := range files(t, "good/*.caddyfile") {
		t.Run(file, func(t *testing.T) {
			config, err := adapt(file, read(t, file))
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, config, "", "\t"); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden(t, strings.TrimSuffix(file, ".caddyfile")+".json", pretty.Bytes())
			validate(t, config)
		})
	}
}

// validate provisions a configuration and starts nothing.
func validate(t *testing.T, config []byte) {
	t.Helper()
	if err := provision(t, config); err != nil {
		t.Errorf("provisioning: %v", err)
	}
}

func provision(t *testing.T, config []byte) error {
	t.Helper()
	return provisionWith(t, config, &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}}}})
}

func provisionWith(t *testing.T, config []byte, logging *caddy.Logging) error {
	t.Helper()
	t.Setenv("SVC_WEB_SECRET", secret)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var parsed caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &parsed); err != nil {
		return err
	}
	parsed.Logging = logging
	return caddy.Validate(&parsed)
}

// Most mistakes show when the Caddyfile is adapted, at a line of it; those that
// hang on the whole site when it is provisioned.
func TestBad(t *testing.T) {
	for _, file := range files(t, "bad/*.caddyfile") {
		t.Run(file, func(t *testing.T) {
			config, err := adapt(file, read(t, file))
			adapts := err == nil
			if adapts {
				err = provision(t, config)
			}
			if err == nil {
				t.Fatal("adapts and provisions, and should not")
			}
			if _, only := err.(warning); only {
				t.Fatal(err)
			}
			if !adapts && !strings.Contains(err.Error(), ", at "+file+":") {
				t.Errorf("the error names no line: %v", err)
			}
			if said, word := saidOf(err), wordOf(file); !strings.Contains(said, word) && !ofNoWord[file] {
				t.Errorf("the error names no %s: %s", word, said)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the secret: %v", err)
			}
			golden(t, strings.TrimSuffix(file, ".caddyfile")+".err", []byte(err.Error()+"\n"))
		})
	}
}

// ofNoWord are mistakes in how blocks stand, whichever word is in them.
var ofNoWord = map[string]bool{
	"bad/require.group~brace.caddyfile": true, "bad/store~two-blocks.caddyfile": true, "bad/tls~one-line.caddyfile": true,
}

// saidOf is an error without the place in a file.
func saidOf(err error) string {
	text := err.Error()
	if at := strings.LastIndex(text, ", at "); at >= 0 {
		text = text[:at]
	}
	return text
}

// wordOf is the word that a file is of, without the blocks around it.
func wordOf(file string) string {
	name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), "~")
	return name[strings.LastIndex(name, ".")+1:]
}

// Each word has a file of its name in good and in bad; more of them have names
// that go on with ~.
func TestEveryWordHasFiles(t *testing.T) {
	known := make(map[string]bool)
	for _, word := range caddyfile.Words() {
		known[word] = true
		for _, file := range []string{"good/" + word + ".caddyfile", "bad/" + word + ".caddyfile"} {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("the word %s has no %s", word, file)
			}
		}
	}
	for _, file := range append(files(t, "good/*"), files(t, "bad/*")...) {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		word, _, _ := strings.Cut(name, "~")
		if !known[word] {
			t.Errorf("%s is of no word", file)
		}
		if filepath.Ext(file) != ".caddyfile" {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), name+".caddyfile")); err != nil {
				t.Errorf("%s belongs to no Caddyfile", file)
			}
		}
	}
}

// The words after verify are the modules there are.
func TestEveryVerifierHasAWord(t *testing.T) {
	known := make(map[string]bool)
	for _, word := range caddyfile.Words() {
		known[word] = true
	}
	for _, module := range caddy.GetModules("ldap.verifiers") {
		word := "verify." + module.ID.Name()
		if !known[word] {
			t.Errorf("the module %s has no word", module.ID)
		}
		delete(known, word)
	}
	for word := range known {
		if strings.HasPrefix(word, "verify.") && strings.Count(word, ".") == 1 { // the others are words of its block
			t.Errorf("the word %s has no module", word)
		}
	}
}

// A reference to a secret stays a reference.
func TestSecretsAreNotExpanded(t *testing.T) {
	t.Setenv("SVC_WEB_SECRET", secret)
	for file, reference := range map[string]string{
		"good/service_account.caddyfile":        `"secret":"{file.svc-web.secret}"`,
		"good/service_account~simple.caddyfile": `"secret":"{env.SVC_WEB_SECRET}"`,
		"good/directory.caddyfile":              `"secret":"{file.svc-web.secret}"`,
		"good/store.redis.password.caddyfile":   `"password":"{file.svc-web.secret}"`,
		"good/store.redis.username.caddyfile":   `"password":"{env.SVC_WEB_SECRET}"`,
	} {
		config, err := adapt(file, read(t, file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !bytes.Contains(config, []byte(reference)) || bytes.Contains(config, []byte(secret)) {
			t.Errorf("%s: got %s, want the reference %s in it", file, config, reference)
		}
	}
}
