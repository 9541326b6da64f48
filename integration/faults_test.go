package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
	"github.com/caddy-ntlm/caddy-ntlm/internal/faultproxy"
)

// patient is a directory at a real server whose answers a proxy breaks, and the
// site in front of it.
type patient struct {
	name  string // of the directory
	how   faultproxy.Fault
	proxy *faultproxy.Proxy
	url   string
	user  string
	sasl  bool // NTLM can be relayed
}

// ask is one request with a password, over a client's connections.
func (p *patient) ask(client *http.Client) (status int, header http.Header, took time.Duration) {
	began := time.Now()
	request, _ := http.NewRequest(http.MethodGet, p.url, nil)
	request.SetBasicAuth(p.user, "Secr3t-"+p.user)
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, time.Since(began)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header, time.Since(began)
}

// TestFaultsOfRealServers: threats D-12, E-01, E-03, with real Samba and real
// slapd. Whatever becomes of a server's answers, a log-in and a look-up are told
// 503 within ten seconds, without a challenge; the log names the server and the
// cure; five seconds after the answers are whole again everybody is served; and
// nothing is left behind.
func TestFaultsOfRealServers(t *testing.T) {
	openldap := openLDAP(t)
	before := sockets(t)
	running := goleak.IgnoreCurrent()
	t.Run("all", func(t *testing.T) { faultsOfRealServers(t, openldap) })
	for end := time.Now().Add(10 * time.Second); sockets(t) > before; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %d sockets left, want %d", sockets(t), before)
		}
	}
	// Caddy's log file has one that never ends.
	if err := goleak.Find(running, goleak.IgnoreAnyFunction("github.com/DeRuina/timberjack.(*Logger).millRun")); err != nil {
		t.Error(err)
	}
}

// sockets is how many this process has.
func sockets(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if to, _ := os.Readlink("/proc/self/fd/" + file.Name()); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func faultsOfRealServers(t *testing.T, openldap *slapd.Server) {
	servers := []struct {
		name, address, user string
		words               []string
	}{
		{"SAMBA", domain.Addr(1) + ":636", "alice", []string{
			"domain EXAMPLE", "tls {", "trust_pool file " + domain.CA(), "server_name " + domain.Host(1), "}",
			`service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password,
		}},
		{"SLAPD", strings.TrimPrefix(openldap.LDAPS, "ldaps://"), "anna", []string{
			"tls {", "trust_pool file " + openldap.CA, "}", serviceWords, "verify bind",
		}},
	}
	var patients []*patient
	config := siteConfig{Body: whoami}
	for _, server := range servers {
		for _, how := range faultproxy.Faults() {
			p := &patient{name: server.name + "-" + strings.ToUpper(string(how)), how: how, proxy: faultproxy.New(t, server.address), user: server.user, sasl: server.name == "SAMBA"}
			address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			p.url = "http://" + address + "/"
			config.Global += fmt.Sprintf("\tldap %s {\n\t\tserver ldaps://%s\n\t\tcache {\n\t\t\tttl 1s\n\t\t\tstale 2s\n\t\t}\n\t\t%s\n\t}\n",
				p.name, p.proxy.Addr(), strings.Join(server.words, "\n\t\t"))
			config.Extra += fmt.Sprintf("http://%s {\n\tbind 127.0.0.1\n\twindows_auth %s {\n\t\tinsecure_basic\n\t}\n\trespond ok\n}\n", address, p.name)
			patients = append(patients, p)
		}
	}
	s := start(t, config)
	var all sync.WaitGroup
	for _, p := range patients {
		all.Go(func() { t.Run(p.name, func(t *testing.T) { p.fallIll(t, s) }) })
	}
	all.Wait()
}

// fallIll breaks the server's answers and mends them again.
func (p *patient) fallIll(t *testing.T, s *site) {
	live := &http.Client{Transport: &http.Transport{}}
	defer live.CloseIdleConnections()
	anew := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, client := range map[string]*http.Client{"live": live, "new": anew} {
		if status, _, _ := p.ask(client); status != 200 {
			t.Fatalf("all well, %s: got %d", name, status)
		}
	}
	p.proxy.Set(p.how)
	fails := func(act string, status int, challenged bool, took time.Duration) {
		if status != 503 || challenged || took > 11*time.Second {
			t.Errorf("%s: got %d after %v, challenged %v; want 503 within 10 s", act, status, took, challenged)
		}
	}
	time.Sleep(2100 * time.Millisecond) // the identity is stale
	var both sync.WaitGroup
	both.Go(func() {
		status, header, took := p.ask(anew)
		fails("a log-in", status, header.Get("WWW-Authenticate") != "", took)
	})
	both.Go(func() {
		status, header, took := p.ask(live)
		fails("a look-up", status, header.Get("WWW-Authenticate") != "", took)
	})
	if p.sasl {
		both.Go(func() {
			got := curl(t, "--ntlm", "-u", p.user+":Secr3t-"+p.user, p.url)
			fails("NTLM", got.Status, len(got.Challenges) > 0, got.Duration)
		})
	}
	both.Wait()
	aside := false
	for _, e := range s.lines(t, "ldap") {
		aside = aside || e.text("msg") == "server put aside" && e.text("server") == p.proxy.Addr() && e.text("hint") != "" && e.text("reason") != "internal"
	}
	if !aside {
		t.Errorf("no line of the log says that %s is put aside and why", p.proxy.Addr())
	}
	p.proxy.Set(faultproxy.None)
	for name, client := range map[string]*http.Client{"live": live, "new": anew} {
		for mended := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			if status, _, _ := p.ask(client); status == 200 {
				break
			}
			if time.Since(mended) > 5*time.Second {
				t.Errorf("mended, %s: not served within 5 s", name)
				break
			}
		}
	}
}
