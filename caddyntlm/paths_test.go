package caddyntlm

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// a rule for a path holds for every spelling of it that the application
// takes for that path.

// noHost is an empty Host header.
const noHost = "-"

// spellings are targets by which somebody may hope to reach /hr/secret, and
// headers that name it.
var spellings = []struct {
	target, host, header string
}{
	{target: "/hr/secret"}, {target: "//hr/secret"}, {target: "/hr//secret"}, {target: "/./hr/secret"}, {target: "/hr/./secret"},
	{target: "/x/../hr/secret"}, {target: "/hr/../hr/secret"}, {target: "/%68r/secret"}, {target: "/hr%2fsecret"}, {target: "/hr%2Fsecret"},
	{target: "/%2fhr/secret"}, {target: "/%2e/hr/secret"}, {target: "/x/%2e%2e/hr/secret"}, {target: "/x/..%2fhr/secret"},
	{target: "/x%2f..%2fhr%2fsecret"}, {target: "/hr%252fsecret"}, {target: "/hr;x/secret"}, {target: "/;x/hr/secret"}, {target: "/hr/;x/secret"},
	{target: "/HR/secret"}, {target: "/Hr/SECRET"}, {target: "/hr/secret/"}, {target: "/hr/secret?x=/y"}, {target: "/hr%00/secret"},
	{target: "/hr%20/secret"}, {target: "/%E2%84%8Ar/secret"}, {target: "http://site.example.com/hr/secret"}, {target: "http://other.example.com/hr/secret"},
	{target: "http://site.example.com//hr/secret"}, {target: "*"}, {target: "hr/secret"}, {target: "?/hr/secret"},
	{target: "/hr/secret", host: "site.example.com."}, {target: "/hr/secret", host: "SITE.EXAMPLE.COM"}, {target: "/hr/secret", host: "site.example.com:80"},
	{target: "/hr/secret", host: "other.example.com"}, {target: "/hr/secret", host: noHost},
	{target: "/open", header: "X-Original-URL: /hr/secret"}, {target: "/open", header: "X-Rewrite-URL: /hr/secret"},
	{target: "/open", header: "X-Forwarded-Uri: /hr/secret"}, {target: "/hr/secret", header: "X-Original-URL: /open"},
	{target: "/hr/secret", header: "X-Forwarded-Uri: /open"}, {target: "/hr/secret", header: "X-Forwarded-Prefix: /open"},
}

// inside reports whether an application takes a path for one below /hr.
func inside(target string) bool {
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return true
	}
	return strings.HasPrefix(strings.ToLower(path.Clean("/"+parsed.Path))+"/", "/hr/")
}

// forwardTo is a reverse_proxy to an application that answers with the target it
// was asked for.
func forwardTo(t *testing.T) string {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RequestURI)
	}))
	t.Cleanup(app.Close)
	return fmt.Sprintf(`{"handler": "reverse_proxy", "upstreams": [{"dial": %q}]}`, app.Listener.Addr())
}

func TestSpellingsOfAPath(t *testing.T) {
	forward := forwardTo(t)
	const hr = `"match": [{"path": ["/hr/*"]}], "terminal": true`
	const doorJSON = `{"handler": "test_door", "insecure_basic": true}`
	layouts := map[string]struct {
		routes   string
		stranger int // what the open parts answer a stranger
	}{
		"door on all, rule on a path": {fmt.Sprintf(`{"handle": [%s]},
			{%s, "handle": [{"handler": "require", "rule": {"group": ["HR"]}}, %s]}, {"handle": [%s]}`, doorJSON, hr, forward, forward), 401},
		"door on a path": {fmt.Sprintf(`{%s, "handle": [%s, {"handler": "require", "rule": {"group": ["HR"]}}, %s]}, {"handle": [%s]}`,
			hr, doorJSON, forward, forward), 200},
	}
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			d := loadRoutes(t, "", layout.routes)
			for _, s := range spellings {
				request := func(credential string) string {
					host := strings.TrimPrefix(cmp.Or(s.host, "site.example.com"), noHost)
					raw := "GET " + s.target + " HTTP/1.1\r\nHost: " + host + "\r\n"
					for _, line := range []string{s.header, credential} {
						if line != "" {
							raw += line + "\r\n"
						}
					}
					return raw + "\r\n"
				}
				bob, stranger := d.dial(t), d.dial(t)
				bob.write(request(basic("bob", "secret-b")))
				got := bob.receive("GET")
				if got.StatusCode == 200 && inside(got.text) || got.StatusCode == 403 && !inside(s.target) && s.host == "" && s.target != "*" {
					t.Errorf("bob at %v: got %d %q", s, got.StatusCode, got.text)
				}
				stranger.write(request(""))
				got = stranger.receive("GET")
				if got.StatusCode == 200 && (layout.stranger != 200 || inside(got.text)) {
					t.Errorf("a stranger at %v: got %d %q", s, got.StatusCode, got.text)
				}
				alice := d.dial(t)
				alice.write(request(basic("alice", "secret-a")))
				if got := alice.receive("GET"); s.target == "/hr/secret" && s.host != noHost && got.StatusCode != 200 {
					t.Errorf("alice at %v: got %d %q", s, got.StatusCode, got.text)
				}
			}
		})
	}
}

// detours begin with a path that is bypassed and lead elsewhere, as one server or
// another reads them.
var detours = []string{
	"/open/../hr/secret", "/open/./../hr/secret", "/open//../hr/secret", "/open/%2e%2e/hr/secret", "/open/.%2e/hr/secret", "/open/%2E./hr/secret",
	"/open/..%2fhr/secret", "/open/..%2Fhr/secret", "/open/..%5chr/secret", `/open/..\hr/secret`, "/open/..;/hr/secret", "/open/..;x=y/hr/secret",
	"/open/;/../hr/secret", "/open;/../hr/secret", "/open/%3b/../hr/secret", "/open/%252e%252e/hr/secret", "/open/%c0%ae%c0%ae/hr/secret",
	"/open/..%00/hr/secret", "/open/.%00./hr/secret", "/open/...//hr/secret", "/open/.. /hr/secret", "/open/..%20/hr/secret", "/open/..%09/hr/secret",
	"/open/..%2f..%2fhr/secret", "/open/x/../../hr/secret", "/open%2f..%2fhr/secret", "/open/..", "/open/../", "/%6fpen/../hr/secret",
	"http://site.example.com/open/../hr/secret", "http://site.example.com/open/..%2fhr/secret", "/OPEN/../HR/secret", "/open/..?/hr/secret",
}

// what bypass lets through is, to every reader of the path that the
// application gets, below the path that was named.
func TestSpellingsOfABypassedPath(t *testing.T) {
	d := loadRoutes(t, "", fmt.Sprintf(`{"handle": [{"handler": "test_door", "insecure_basic": true,
		"bypass": [{"path": ["/open", "/open/*"]}]}, %s]}`, forwardTo(t)))
	ask := func(target, header string) answer {
		c := d.dial(t)
		c.send("GET", target, "", header)
		return c.receive("GET")
	}
	const plain = "Accept: */*"
	if got := ask("/open/x", plain); got.StatusCode != 200 || got.text != "/open/x" {
		t.Fatalf("got %d %q: nothing is bypassed, which proves nothing", got.StatusCode, got.text)
	}
	targets := slices.Clone(detours)
	for _, s := range spellings {
		if s.host == "" && s.header == "" {
			targets = append(targets, s.target)
		}
	}
	for _, target := range targets {
		if got := ask(target, plain); got.StatusCode == 200 || got.StatusCode/100 == 3 {
			t.Errorf("%s: a stranger got %d, and the application %q", target, got.StatusCode, got.text)
		}
	}
	for _, header := range []string{"X-Original-URL: /open", "X-Rewrite-URL: /open", "X-Forwarded-Uri: /open", "X-Forwarded-Prefix: /open", "X-Original-URI: /open", "X-Forwarded-Path: /open"} {
		if got := ask("/hr/secret", header); got.StatusCode != 401 {
			t.Errorf("%s: a stranger got %d", header, got.StatusCode)
		}
	}
}

// a site that is guarded is guarded under each spelling of its host that
// leads to it, and another host is another site.
func TestSpellingsOfAHost(t *testing.T) {
	d := loadRoutes(t, "", fmt.Sprintf(`{"match": [{"host": ["site.example.com"]}], "terminal": true,
		"handle": [{"handler": "test_door", "insecure_basic": true}, %s]}`, forwardTo(t)))
	for _, host := range []string{
		"site.example.com", "SITE.example.COM", "site.example.com.", "site.example.com:80", "site.example.com:", "site.example.com.:80",
		"site.example.com..", " site.example.com", "site.example.com/x", "other.example.com", "x.site.example.com", "site.example.com%2e",
	} {
		for _, target := range []string{"/hr", "http://site.example.com/hr", "http://site.example.com./hr", "http://other.example.com/hr"} {
			c := d.dial(t)
			c.host = host
			c.send("GET", target, "")
			if got := c.receive("GET"); got.text == target || strings.Contains(got.text, "/hr") {
				t.Errorf("host %q, target %s: a stranger got %d %q from the application", host, target, got.StatusCode, got.text)
			}
		}
	}
	c := d.dial(t)
	c.host = "SITE.example.com"
	c.get().want(t, 401, "NTLM", `Basic realm="SITE.example.com", charset="UTF-8"`)
	c.login("alice", "secret-a").wantText(t, "/")
}
