package integration

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// TestHTTP2AndHTTP3: threats A-15. All schemes are offered, and an NTLM message
// never gets a Type 2: a connection there is many users'.
func TestHTTP2AndHTTP3(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	insecure := &tls.Config{InsecureSkipVerify: true}
	h3 := &http3.Transport{TLSClientConfig: insecure}
	t.Cleanup(func() { h3.Close() })
	h2 := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}
	t.Cleanup(h2.CloseIdleConnections)
	negotiate, _ := messages(t)
	for version, transport := range map[int]http.RoundTripper{2: h2, 3: h3} {
		client := &http.Client{Transport: transport}
		ask := func(authorization string) *http.Response {
			t.Helper()
			request, err := http.NewRequest(http.MethodGet, s.HTTPS+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if authorization != "" {
				request.Header.Set("Authorization", authorization)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatalf("HTTP/%d: %v", version, err)
			}
			response.Body.Close()
			if response.ProtoMajor != version {
				t.Fatalf("got HTTP/%d, want HTTP/%d", response.ProtoMajor, version)
			}
			return response
		}
		for _, authorization := range []string{"", "NTLM " + base64.StdEncoding.EncodeToString(negotiate)} {
			response := ask(authorization)
			challenges := response.Header.Values("WWW-Authenticate")
			if response.StatusCode != 401 || len(challenges) != 2 || challenges[0] != "NTLM" || !strings.HasPrefix(challenges[1], "Basic ") {
				t.Errorf("HTTP/%d, %.10q: got %d %q, want 401 with NTLM and Basic", version, authorization, response.StatusCode, challenges)
			}
		}
		if got := s.reason(t); got != "http11_required" {
			t.Errorf("HTTP/%d: reason %s, want http11_required", version, got)
		}
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:Secr3t-alice"))
		if got := ask(basic).StatusCode; got != 200 {
			t.Errorf("HTTP/%d, Basic: got %d, reason %s", version, got, s.reason(t))
		}
		if got := ask("").StatusCode; got != 401 {
			t.Errorf("HTTP/%d, a later request without credentials: got %d, want 401", version, got)
		}
	}
}

// TestProxySeen: threats A-02. A connection that a proxy may share carries no
// identity.
func TestProxySeen(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	headers := []string{"Via: 1.1 proxy", "Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Real-IP: 192.0.2.1"}
	for _, header := range headers {
		t.Run(header, func(t *testing.T) {
			c := dial(t, s.HTTP)
			if got := c.logIn(t, "alice"); got != 200 {
				t.Fatalf("logging in: got %d, reason %s", got, s.reason(t))
			}
			response := c.do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"+header+"\r\n\r\n")
			offered := response.Header.Values("WWW-Authenticate")
			if response.StatusCode != 401 || slices.Contains(offered, "NTLM") {
				t.Errorf("on an authenticated connection: got %d %q, want 401 without NTLM", response.StatusCode, offered)
			}
			got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", "-H", header, s.HTTP+"/")
			if got.Status != 401 || s.reason(t) != "proxy_seen" {
				t.Errorf("curl --ntlm: got %d, reason %s, want 401 and proxy_seen", got.Status, s.reason(t))
			}
			got = curl(t, "--basic", "-u", "alice:Secr3t-alice", "-H", header, s.HTTP+"/")
			if got.Status != 200 {
				t.Errorf("curl --basic: got %d, reason %s, want 200", got.Status, s.reason(t))
			}
		})
	}
}

// TestSitesOfOneListener: what a connection remembers is the directory's, not
// every site's.
func TestSitesOfOneListener(t *testing.T) {
	other := `
	@other host other.test
	handle @other {
		windows_auth ` + domain.LDAPS(2) + ` {
			directory {
				tls {
					trust_pool file ` + domain.CA() + `
				}
			}
		}
		respond "other"
	}
	handle {
		windows_auth EXAMPLE
		respond "site"
	}
`
	s := start(t, siteConfig{Body: strings.Replace(other, "@other host other.test", "@other header X-Site other", 1)})
	c := dial(t, s.HTTP)
	if got := c.logIn(t, "alice"); got != 200 {
		t.Fatalf("got %d, reason %s", got, s.reason(t))
	}
	if got := c.do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Site: other\r\n\r\n").StatusCode; got != 401 {
		t.Errorf("the other directory's site on that connection: got %d, want 401", got)
	}
}
