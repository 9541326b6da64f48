package redis

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// nodeCaddyfile is a site as an administrator writes it: the throttle is on without a word,
// and some owe a code.
const nodeCaddyfile = `{
	admin off
	auto_https off
	ldap EXAMPLE {
		server %[1]s
		tls {
			trust_pool file %[2]s/directory.pem
		}
		service_account EXAMPLE\svc-web Secr3t-svc-web
	}
	windows_auth {
		store redis redis://%[3]s {
			password ` + Password + `
		}
	}
}
https://%[4]s {
	bind 127.0.0.1
	tls %[2]s/cert.pem %[2]s/key.pem
	windows_auth EXAMPLE {
		session
		login
		totp {
			attribute ` + demodir.DemoFactorAttribute + `
			require group Coders
		}
	}
	respond "{http.auth.user.id}"
}
`

// startNodes runs two Caddys, each a process of its own, that share a Redis and a directory,
// until the test ends, and gives their base URLs.
func startNodes(t *testing.T, server *Server, directory *demodir.Server) (base [2]string) {
	t.Helper()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "directory.pem"), directory.CAPEM(), 0o600))
	check(t, daemon.WriteCertificates(dir))
	binary, err := daemon.BuildCaddy(dir)
	check(t, err)
	for i := range base {
		port, err := daemon.FreePort("127.0.0.1")
		check(t, err)
		address := net.JoinHostPort("127.0.0.1", port)
		base[i] = "https://" + address
		caddyfile := fmt.Appendf(nil, nodeCaddyfile, directory.LDAPS(), dir, server.Address, address)
		node, err := daemon.Caddy(binary, t.TempDir(), caddyfile, func(ctx context.Context) error {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err == nil {
				err = nc.Close()
			}
			return err
		})
		check(t, err)
		check(t, node.Run())
		t.Cleanup(func() {
			check(t, node.Close())
			if said := node.Said(); t.Failed() {
				t.Logf("node %d said in the end: %s", i, said[max(0, len(said)-3000):])
			}
		})
	}
	return base
}

// visitor is a client of the nodes at an address of its own, which keeps its connections
// and follows nowhere.
type visitor struct{ *http.Client }

func newVisitor(address string) visitor {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return visitor{&http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a certificate of a moment ago
		},
	}}
}

// told is what a node says: its status, and the body, or the session that it opens.
type told struct {
	status     int
	body       string
	token      string // a header's value, which brings the session again
	retryAfter string
	page       string // the cookie of the page's form
}

// tokenHeader is the header that a session's token goes in: programs have keys.
func tokenHeader(token string) string {
	if strings.HasPrefix(token, "Bearer ") {
		return "Authorization"
	}
	return "Cookie"
}

const sessionCookie = "__Host-windows_auth"

// ask sends a request with headers, by turns their names and values.
func (v visitor) ask(method, url, body string, headers ...string) (told, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return told{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := v.Do(request)
	if err != nil {
		return told{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	said := told{status: response.StatusCode, body: string(text), retryAfter: response.Header.Get("Retry-After")}
	for _, c := range response.Cookies() {
		switch {
		case c.MaxAge < 0:
		case c.Name == sessionCookie:
			said.token = c.Name + "=" + c.Value
		default:
			said.page = c.Name + "=" + c.Value
		}
	}
	return said, err
}

// use asks for the page with a session, or with nothing.
func (v visitor) use(base, token string) (told, error) {
	return v.ask(http.MethodGet, base+"/", "", tokenHeader(token), token)
}

// byJSON logs in as programs do.
func (v visitor) byJSON(base, name, code string) (told, error) {
	body, err := json.Marshal(map[string]string{"name": name, "password": passwordOf(name), "code": code})
	if err != nil {
		return told{}, err
	}
	said, err := v.ask(http.MethodPost, base+"/.auth/login", string(body), "Content-Type", "application/json")
	var granted struct{ Name, Key string }
	if err == nil && said.status == http.StatusOK {
		err = json.Unmarshal([]byte(said.body), &granted)
		said.body, said.token = granted.Name, "Bearer "+granted.Key
	}
	return said, err
}

// form is what the log-in page gives a browser.
type form struct{ cookie, token string }

var formField = regexp.MustCompile(`name="token" value="([^"]+)"`)

func (v visitor) openPage(t *testing.T, base string) form {
	t.Helper()
	said, err := v.ask(http.MethodGet, base+"/.auth/login", "", "Accept", "text/html")
	check(t, err)
	field := formField.FindStringSubmatch(said.body)
	if field == nil || said.page == "" {
		t.Fatalf("got %d, cookie %q and no form: %s", said.status, said.page, said.body)
	}
	return form{said.page, field[1]}
}

// byForm logs in as browsers do.
func (v visitor) byForm(base, name, code string, page form) (told, error) {
	body := url.Values{"name": {name}, "password": {passwordOf(name)}, "code": {code}, "token": {page.token}}.Encode()
	return v.ask(http.MethodPost, base+"/.auth/login", body, "Content-Type", "application/x-www-form-urlencoded", "Cookie", page.cookie)
}
