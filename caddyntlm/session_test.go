package caddyntlm

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
)

// sessionDoor is a door with sessions behind TLS.
type sessionDoor struct {
	*door
	url    string
	roots  *tls.Config
	cookie string // its name
}

func newSessionDoor(t *testing.T, change func(*door)) *sessionDoor {
	t.Helper()
	d := prepareDoor(t, func(d *door) {
		d.Session = new(Session)
		if change != nil {
			change(d)
		}
	})
	d.server = newTLSServer(d)
	t.Cleanup(d.close)
	return &sessionDoor{d, d.server.URL, d.server.Client().Transport.(*http.Transport).TLSClientConfig, hostPrefix + DefaultSessionCookie}
}

// get sends a request on a connection of its own, over HTTP/1.1 or, where h2 says so,
// HTTP/2.
func (d *sessionDoor) get(t *testing.T, h2 bool, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", d.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "site.example.com"
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	transport := &http.Transport{TLSClientConfig: d.roots.Clone(), ForceAttemptHTTP2: h2}
	if !h2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		transport.TLSClientConfig.NextProtos = nil
	}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, response)
}

// cookieOf is the line that sends the cookie of an answer back, empty where it set none.
func (d *sessionDoor) cookieOf(a answer) string {
	for _, c := range a.Cookies() {
		if c.Name == d.cookie {
			return "Cookie: " + c.Name + "=" + c.Value
		}
	}
	return ""
}

const asPage = "Accept: text/html"

// TestSessionOpensEveryConnection: one log-in by Basic, then the cookie alone.
func TestSessionOpensEveryConnection(t *testing.T) {
	d := newSessionDoor(t, nil)
	first := d.get(t, false, asPage, basic("alice", "secret-a"))
	first.wantUser(t, "alice")
	cookie := d.cookieOf(first)
	if cookie == "" {
		t.Fatalf("got no cookie: %q", first.Header)
	}
	asked := d.dir.asked.Load()
	d.get(t, false, cookie).wantUser(t, "alice")
	d.get(t, true, cookie).wantUser(t, "alice")
	if d.dir.asked.Load() != asked {
		t.Error("a controller was asked again")
	}
	d.get(t, false).want(t, 401, both...)
}
