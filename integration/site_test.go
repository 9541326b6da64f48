package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/template"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-ntlm/caddy-ntlm"
)

// site is a Caddy in this process with the plugin, and its log.
type site struct {
	HTTP, HTTPS string // base URLs
	logPath     string
}

// siteConfig is what a test writes: words for the ldap block beside the lab's
// own, and the body of the site.
type siteConfig struct {
	// Servers replaces the lab's two controllers.
	Servers string
	// LDAP is more words for the directory.
	LDAP string
	// Body is the site, the same over HTTP and HTTPS.
	Body string
	// CA replaces the lab's authority.
	CA string
	// Admin is the address of Caddy's admin endpoint, off where it is empty.
	Admin string
	// Global is more among the global options.
	Global string
	// Extra is more at the top level: other sites.
	Extra string
}

type option func(*siteConfig)

// trusting makes the directory believe another authority.
func trusting(pemFile string) option {
	return func(c *siteConfig) { c.CA = pemFile }
}

var siteTemplate = template.Must(template.New("site").Parse(`
{
	admin {{or .Admin "off"}}
	persist_config off
	auto_https off
	log {
		output file {{.Log}}
		format json
		level DEBUG
	}
{{.Global}}
	ldap EXAMPLE {
		server {{.Servers}}
		tls {
			trust_pool file {{.CA}}
		}
{{.LDAP}}
	}
}
http://localhost:{{.HTTPPort}}, http://127.0.0.1:{{.HTTPPort}} {
	bind 127.0.0.1
{{.Body}}
}
https://localhost:{{.HTTPSPort}} {
	bind 127.0.0.1
	tls {{.Cert}} {{.Key}}
{{.Body}}
}
{{.Extra}}
`))

// start runs a site until the test ends.
func start(t *testing.T, config siteConfig, options ...option) *site {
	t.Helper()
	s, caddyfile := write(t, config, append(options, inOrder)...)
	load(t, caddyfile)
	return s
}

// write makes a site's Caddyfile and does not load it.
func write(t *testing.T, config siteConfig, options ...option) (s *site, caddyfile []byte) {
	t.Helper()
	for _, o := range options {
		o(&config)
	}
	if config.CA == "" {
		config.CA = domain.CA()
	}
	dir, err := os.MkdirTemp("", "caddy-ntlm-site-") // t.TempDir holds the test's name, and some are braces
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cert, key := certificate(t, dir)
	if config.Servers == "" {
		config.Servers = domain.LDAPS(1) + " " + domain.LDAPS(2)
	}
	s = &site{logPath: filepath.Join(dir, "caddy.log")}
	httpPort, httpsPort := freePort(t), freePort(t)
	s.HTTP, s.HTTPS = fmt.Sprintf("http://127.0.0.1:%d", httpPort), fmt.Sprintf("https://localhost:%d", httpsPort)

	var text bytes.Buffer
	if err := siteTemplate.Execute(&text, map[string]any{
		"Log": s.logPath, "Servers": config.Servers, "CA": config.CA, "LDAP": config.LDAP,
		"HTTPPort": httpPort, "HTTPSPort": httpsPort, "Body": config.Body, "Global": config.Global, "Admin": config.Admin, "Extra": config.Extra, "Cert": cert, "Key": key,
	}); err != nil {
		t.Fatal(err)
	}
	return s, text.Bytes()
}

func load(t *testing.T, caddyfile []byte) {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile, map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, caddyfile)
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			t.Logf("adapting: %s", w)
		}
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatalf("loading: %v\n%s", err, caddyfile)
	}
	starts.Add(1) // read with every packet: see inOrder
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
}

// freePort is a port that nobody listens on and that was given to nobody before.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if _, given := givenPorts.LoadOrStore(port, true); !given {
			return port
		}
	}
}

var givenPorts sync.Map

// entry is a line of the log.
type entry map[string]any

func (e entry) text(field string) string {
	text, _ := e[field].(string)
	return text
}

// decisions are the log's lines of the door, oldest first.
func (s *site) decisions(t *testing.T) []entry {
	t.Helper()
	return s.lines(t, "http.handlers.windows_auth")
}

// lines are the log's lines of one logger, oldest first.
func (s *site) lines(t *testing.T, logger string) []entry {
	t.Helper()
	file, err := os.Open(s.logPath)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []entry
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && strings.HasPrefix(e.text("logger"), logger) {
			found = append(found, e)
		}
	}
	return found
}

// refusal is the door's newest line with a reason other than no_credentials,
// nil without one.
func (s *site) refusal(t *testing.T) entry {
	t.Helper()
	all := s.decisions(t)
	for i := len(all) - 1; i >= 0; i-- {
		if r := all[i].text("reason"); r != "" && r != "no_credentials" {
			return all[i]
		}
	}
	return nil
}

// reason is why the door refused last.
func (s *site) reason(t *testing.T) string { t.Helper(); return s.refusal(t).text("reason") }

// hint is the cure that the door's log names with it.
func (s *site) hint(t *testing.T) string { t.Helper(); return s.refusal(t).text("hint") }

// server is the controller of the door's newest line that names one.
func (s *site) server(t *testing.T) string {
	t.Helper()
	all := s.decisions(t)
	for i := len(all) - 1; i >= 0; i-- {
		if dc := all[i].text("dc"); dc != "" {
			return dc
		}
	}
	return ""
}

// logText is the whole log.
func (s *site) logText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.logPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
