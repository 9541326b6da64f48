package soak

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"go.uber.org/goleak"

	_ "github.com/caddy-ntlm/caddy-ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// people are so many users, each with a password of its own.
func people(n int) demodir.Config {
	config := demodir.Config{Domain: "EXAMPLE", DNSDomain: "example.test"}
	for i := range n {
		config.Users = append(config.Users, demodir.User{Name: fmt.Sprintf("user%03d", i), Password: fmt.Sprintf("Secr3t-%d", i)})
	}
	config.Users = append(config.Users, demodir.User{Name: "svc-web", Password: "Secr3t-svc-web"})
	return config
}

func startDirectory(t *testing.T, config demodir.Config) *demodir.Server {
	t.Helper()
	s, err := demodir.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// site is a Caddy in this process, over directories. Its answer is the user and
// the query, so that an answer to another's request shows.
type site struct {
	http, https string // addresses
	directories string // URLs
	storage     string // a folder; certificate and key are in it
	generation  int
}

const siteConfig = `{
	admin off
	persist_config off
	auto_https off
	storage file_system %[5]s
	log {
		level PANIC
	}
	ldap EXAMPLE {
		server %[3]s
		tls {
			insecure_skip_verify
		}
		timeout {
			dial 4s
			request 8s
		}
		pool {
			idle 2s
		}
		service_account EXAMPLE\svc-web Secr3t-svc-web
	}
}
(site) {
	bind 127.0.0.1
	header Generation %[4]d
	windows_auth EXAMPLE {
		insecure_basic
		max_pending 4096 4096
	}
	respond "{http.auth.user.id}|{http.request.uri.query}"
}
http://%[1]s {
	import site
}
https://%[2]s {
	tls %[5]s/cert.pem %[5]s/key.pem
	import site
}
`

// startSite loads the site, twice: whatever the first reload makes is there.
func startSite(t *testing.T, directories ...*demodir.Server) *site {
	t.Helper()
	s := &site{http: freeAddress(t), https: freeAddress(t), storage: t.TempDir()}
	writeCertificate(t, s.storage)
	for _, d := range directories {
		s.directories += d.LDAPS() + " "
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.load(t)
	s.load(t)
	return s
}

// load loads the site again, changed in nothing that matters.
func (s *site) load(t *testing.T) {
	t.Helper()
	s.generation++
	text := fmt.Sprintf(siteConfig, s.http, strings.Replace(s.https, "127.0.0.1", "localhost", 1), s.directories, s.generation, s.storage)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, text)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Errorf("loading: %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// footprint is what the process holds.
type footprint struct{ goroutines, descriptors, controllers int }

func measure(t *testing.T, directories ...*demodir.Server) footprint {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	f := footprint{goroutines: runtime.NumGoroutine(), descriptors: len(entries)}
	for _, d := range directories {
		f.controllers += d.Connections()
	}
	return f
}

// settle waits until nothing more goes away, and gives the footprint then.
func settle(t *testing.T, directories ...*demodir.Server) footprint {
	t.Helper()
	last := measure(t, directories...)
	for calm := 0; calm < 10; time.Sleep(100 * time.Millisecond) {
		if now := measure(t, directories...); now == last {
			calm++
		} else {
			last, calm = now, 0
		}
	}
	return last
}

// returnsTo waits until the process holds no more than before.
func returnsTo(t *testing.T, before footprint, directories ...*demodir.Server) {
	t.Helper()
	var now footprint
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		now = measure(t, directories...)
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors && now.controllers <= before.controllers {
			t.Logf("before: %+v, after: %+v", before, now)
			return
		}
	}
	var stacks bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	t.Errorf("got %+v, want no more than %+v\n%.6000s", now, before, stacks.String())
}
