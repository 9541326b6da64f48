package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/go-ntlmssp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// keepsConnections makes nginx use HTTP/1.1 to the site and keep the connection.
const keepsConnections = "proxy_http_version 1.1; proxy_set_header Connection \"\";"

// credentials are curl's arguments for an account.
func credentials(sam string) []string {
	return []string{"-u", sam + ":" + lab.Account(sam).Password}
}

// TestPooledConnections: threats A-02. nginx sends the requests of all clients
// over one connection; nobody is ever taken for somebody else.
func TestPooledConnections(t *testing.T) {
	for name, test := range map[string]struct {
		nginx, global string
	}{
		"shown by a header":        {"proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", ""},
		"shown by another header":  {"proxy_set_header X-Real-IP $remote_addr;", ""},
		"silent and trusted_proxy": {"", "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{Body: whoami, Global: test.global})
			base := nginx(t, s.HTTP, keepsConnections, test.nginx) + "/"
			got := curl(t, append([]string{"--ntlm", base}, credentials("alice")...)...)
			if got.Status != 401 || len(got.Challenges) != 1 || !strings.HasPrefix(got.Challenges[0], "Basic ") {
				t.Errorf("NTLM: got %d %q, want 401 and Basic alone", got.Status, got.Challenges)
			}
			raw := dial(t, strings.TrimSuffix(base, "/"))
			if status := raw.logIn(t, "alice"); status != 401 {
				t.Errorf("NTLM by a client that insists: got %d, want 401", status)
			}
			var clients sync.WaitGroup
			for _, sam := range []string{"alice", "bob", ""} {
				clients.Go(func() {
					for range 10 {
						args, want := []string{base}, 401
						if sam != "" {
							args, want = append(args, credentials(sam)...), 200
						}
						got := curl(t, args...)
						if got.Status != want || want == 200 && got.Body != who(t, sam, "basic", "bind") {
							t.Errorf("%q: got %d %s", sam, got.Status, got.Body)
						}
					}
				})
			}
			clients.Wait()
			if !oneConnectionOfMany(s.decisions(t)) {
				t.Error("nginx shared no connection among users: this proves nothing")
			}
		})
	}
}

// oneConnectionOfMany reports whether one connection carried the requests of
// alice and of bob.
func oneConnectionOfMany(lines []entry) bool {
	users := make(map[string]map[string]bool)
	for _, line := range lines {
		conn := line.text("conn")
		if users[conn] == nil {
			users[conn] = make(map[string]bool)
		}
		users[conn][line.text("user")] = true
		if users[conn][`EXAMPLE\alice`] && users[conn][`EXAMPLE\bob`] {
			return true
		}
	}
	return false
}

// TestProxyThatCloses: threats A-14. nginx as it comes speaks HTTP/1.0 and
// closes each connection: NTLM is not offered, Basic works.
func TestProxyThatCloses(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	base := nginx(t, s.HTTP) + "/"
	got := curl(t, append([]string{"--anyauth", base}, credentials("alice")...)...)
	if got.Status != 200 || got.Body != who(t, "alice", "basic", "bind") {
		t.Errorf("got %d %s, reason %s", got.Status, got.Body, s.reason(t))
	}
	if got := curl(t, base); got.Status != 401 || len(got.Challenges) != 1 {
		t.Errorf("got %d %q, want 401 and Basic alone", got.Status, got.Challenges)
	}
}

// pinnedSite lets NTLM through the proxies of this machine.
const pinnedSite = `
	windows_auth EXAMPLE {
		insecure_basic
		one_to_one %s
	}
	respond "{http.auth.user.id}"
`

// TestPinningProxy: threats A-02. Squid keeps one connection a client as soon as
// the client begins NTLM. one_to_one believes it, and nothing else does.
func TestPinningProxy(t *testing.T) {
	proxy := squid(t)
	through := func(sam string, args ...string) []string {
		return append(append(args, "--proxy", proxy, "--ntlm"), credentials(sam)...)
	}
	t.Run("not named", func(t *testing.T) {
		s := start(t, siteConfig{Body: fmt.Sprintf(pinnedSite, "192.0.2.7")})
		got := curl(t, through("alice", s.HTTP+"/")...)
		if got.Status != 401 || len(got.Challenges) != 1 || !strings.HasPrefix(got.Challenges[0], "Basic ") {
			t.Errorf("got %d %q, want 401 and Basic alone", got.Status, got.Challenges)
		}
	})
	t.Run("named", func(t *testing.T) {
		s := start(t, siteConfig{Body: fmt.Sprintf(pinnedSite, "127.0.0.1")})
		for _, sam := range []string{"alice", "bob"} {
			if got := curl(t, through(sam, s.HTTP+"/")...); got.Status != 200 || got.Body != sam {
				t.Errorf("%s: got %d %q, reason %s", sam, got.Status, got.Body, s.reason(t))
			}
		}
		var clients sync.WaitGroup
		for _, sam := range []string{"alice", "bob", "carol", ""} {
			clients.Go(func() { visitThrough(t, proxy, s.HTTP, sam) })
		}
		clients.Wait()
		seen := 0
		for _, line := range s.decisions(t) {
			if line.text("scheme") == "ntlm" && line.text("event") == "allow" && line.text("level") == "debug" {
				seen++
			}
		}
		if seen == 0 {
			t.Error("no connection was used again after its log-in: this proves nothing")
		}
		// A pooling proxy before Squid is its one client.
		pooled := curl(t, through("alice", "-H", "Via: 1.1 pool", s.HTTP+"/")...)
		if pooled.Status != 401 {
			t.Errorf("through two proxies: got %d, want 401", pooled.Status)
		}
	})
}

// visitThrough makes requests as one user through a proxy, on connections of the
// client's own, and checks who the site sees. No sam is nobody.
func visitThrough(t *testing.T, proxy, site, sam string) {
	address, err := url.Parse(proxy)
	if err != nil {
		t.Error(err)
		return
	}
	for range 3 {
		transport := &http.Transport{Proxy: http.ProxyURL(address), MaxConnsPerHost: 1}
		client := &http.Client{Transport: ntlmssp.Negotiator{RoundTripper: transport}}
		for range 5 {
			status, body, err := ask(client, site, sam)
			if want := map[bool]int{true: 401, false: 200}[sam == ""]; err != nil || status != want || sam != "" && body != sam {
				t.Errorf("%q: got %d %q %v", sam, status, body, err)
			}
		}
		transport.CloseIdleConnections()
	}
}

// ask makes one request with the credentials of an account, if any.
func ask(client *http.Client, site, sam string) (status int, body string, err error) {
	request, err := http.NewRequest(http.MethodGet, site+"/", nil)
	if err != nil {
		return 0, "", err
	}
	if sam != "" {
		request.SetBasicAuth(`EXAMPLE\`+sam, lab.Account(sam).Password)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// readsPROXY makes Caddy believe the PROXY protocol of this machine.
const readsPROXY = `	servers {
		listener_wrappers {
			proxy_protocol {
				timeout 5s
				allow 127.0.0.0/8
			}
			tls
		}
	}`

// TestPROXYProtocol: threats A-04. Behind a balancer that passes TCP on a
// connection is still one client's. Its identity belongs to the connection, and
// not to the address that the balancer tells.
func TestPROXYProtocol(t *testing.T) {
	s := start(t, siteConfig{Body: whoami, Global: readsPROXY})
	got := curl(t, append([]string{"--haproxy-protocol", "--ntlm", s.HTTP + "/"}, credentials("alice")...)...)
	if got.Status != 200 || got.Body != who(t, "alice", "ntlm", "relay") {
		t.Errorf("curl: got %d %s, reason %s", got.Status, got.Body, s.reason(t))
	}
	const told = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"
	for _, base := range []string{s.HTTP, s.HTTPS} {
		t.Run(base[:5], func(t *testing.T) {
			known, stranger := tellingClient(t, told), tellingClient(t, told)
			for range 3 { // the log-in, and the same connection again
				if status, body, err := ask(known, base, "alice"); err != nil || status != 200 || body != who(t, "alice", "ntlm", "relay") {
					t.Errorf("alice: got %d %s %v", status, body, err)
				}
				if status, _, err := ask(stranger, base, ""); err != nil || status != 401 {
					t.Errorf("a stranger who comes from the same address and port: got %d %v, want 401", status, err)
				}
			}
			if status, body, err := ask(stranger, base, "bob"); err != nil || status != 200 || !strings.HasPrefix(body, "bob|") {
				t.Errorf("bob: got %d %s %v", status, body, err)
			}
			if status, body, err := ask(known, base, "alice"); err != nil || status != 200 || !strings.HasPrefix(body, "alice|") {
				t.Errorf("alice after bob: got %d %s %v", status, body, err)
			}
		})
	}
	lines := s.decisions(t)
	if got := lines[len(lines)-1].text("remote_ip"); got != "192.0.2.7" {
		t.Errorf("got remote_ip %q, want 192.0.2.7", got)
	}
}

// tellingClient is an NTLM client whose connections begin with a PROXY header.
func tellingClient(t *testing.T, told string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		MaxConnsPerHost: 1,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				_, err = io.WriteString(conn, told)
			}
			return conn, err
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: ntlmssp.Negotiator{RoundTripper: transport}}
}
