package caddyntlm

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

//
func TestHTTP2(t *testing.T) {
	d := prepareDoor(t, func(d *door) {
		d.InsecureBasic, d.Schemes = false, []string{"negotiate", "ntlm", "basic"}
	})
	d.server = newTLSServer(d)
	t.Cleanup(d.close)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	t.Cleanup(transport.CloseIdleConnections)
	get := func(headers ...string) answer {
		t.Helper()
		r, err := http.NewRequest("GET", d.server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range headers {
			key, value, _ := strings.Cut(h, ": ")
			r.Header.Add(key, value)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if response.ProtoMajor != 2 {
			t.Fatalf("got %s, want HTTP/2", response.Proto)
		}
		return readAnswer(t, response)
	}
	offered := []string{"Negotiate", "NTLM", `Basic realm="127.0.0.1", charset="UTF-8"`}
	get().want(t, 401, offered...)
	get(type1()).want(t, 401, offered...)
	d.wantReason(t, identity.KindHTTP11Required)
	if level, _ := d.last(t); level != zapcore.DebugLevel {
		t.Errorf("got a line at %v, want DEBUG: browsers come back by themselves", level)
	}
	get(type3(ntlmMessage(2, "x"), "alice", "secret-a")).want(t, 401, offered...)
	for _, token := range [][]byte{message1(), openNTLM, openKerberos, wrap(message1()), ntlmMessage(3, "x")} {
		get(negotiate(token)).want(t, 401, offered...)
		d.wantReason(t, identity.KindHTTP11Required)
	}
	get(negotiate(shortKerberosToken())).want(t, 401, offered...)
	d.wantReason(t, identity.KindScheme)
	if got := d.dir.challenges; got != 0 {
		t.Errorf("got %d challenges issued on HTTP/2, want 0", got)
	}
	if got := d.logs.FilterMessage("NTLM needs HTTP/1.1").Len(); got != 1 {
		t.Errorf("got %d warnings, want 1 a listener", got)
	}
	var wg sync.WaitGroup
	for i := range 16 { // streams of several users on one connection
		wg.Go(func() {
			if i%2 == 0 {
				get(basic("alice", "secret-a")).wantUser(t, "alice")
				return
			}
			get(basic("bob", "secret-b")).wantUser(t, "bob")
		})
	}
	wg.Wait()
	get().want(t, 401, offered...)
}

// HTTP/3 brings no connection into the context of a request.
func TestHTTP3(t *testing.T) {
	d := prepareDoor(t, func(d *door) {
		d.InsecureBasic, d.Schemes = false, []string{"negotiate", "ntlm", "basic"}
	})
	ask := func(header string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "https://site.example.com/", nil)
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/3.0", 3, 0
		if header != "" {
			r.Header.Set("Authorization", strings.TrimPrefix(header, "Authorization: "))
		}
		w := httptest.NewRecorder()
		d.handler().ServeHTTP(w, r)
		return w
	}
	for _, header := range []string{
		"", type1(), type3(ntlmMessage(2, "x"), "alice", "secret-a"), basic("alice", "wrong"),
		negotiate(openNTLM), negotiate(openKerberos), negotiate(wrap(message1())), negotiate(message1()),
	} {
		w := ask(header)
		answer{w.Result(), ""}.want(t, 401, negotiated...)
	}
	for range 2 {
		if w := ask(basic("alice", "secret-a")); w.Body.String() != "alice:" {
			t.Errorf("got %d %q, want alice", w.Code, w.Body)
		}
	}
	if got := d.dir.challenges; got != 0 {
		t.Errorf("got %d challenges issued, want 0", got)
	}
}

// h2c asks a door in Caddy by HTTP/2 without TLS, on one connection.
func h2c(t *testing.T, d *caddyDoor) func(headers ...string) answer {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return func(headers ...string) answer {
		t.Helper()
		r, err := http.NewRequest("GET", "http://"+d.server.Listeners()[0].Addr().String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "site.example.com"
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if response.ProtoMajor != 2 {
			t.Fatalf("got %s, want HTTP/2", response.Proto)
		}
		return readAnswer(t, response)
	}
}

// HTTP/2 without TLS is HTTP/2, and so is a connection that begins as
// HTTP/1.1, logs in and asks to be upgraded.
func TestH2C(t *testing.T) {
	d := loadDoor(t, `"protocols": ["h1", "h2c"],`, `"realm": "site.example.com"`)
	ask := h2c(t, d)
	ask().want(t, 401, both...)
	for _, token := range []string{type1(), type3(ntlmMessage(2, "x"), "alice", "secret-a")} {
		ask(token).want(t, 401, both...)
		if _, fields := lastDecision(t, d.logs); fields["reason"] != identity.KindHTTP11Required.String() {
			t.Errorf("got %v, want reason http11_required", fields)
		}
	}
	ask(basic("alice", "secret-a")).wantUser(t, "alice")
	ask().want(t, 401, both...)
	if got := d.dir.challenges; got != 0 {
		t.Errorf("got %d challenges issued, want 0", got)
	}

	c := d.dial(t)
	c.login("alice", "secret-a").wantUser(t, "alice")
	got := c.get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
	got.wantUser(t, "alice") // as HTTP/1.1: the upgrade is not taken up
	if got.ProtoMajor != 1 {
		t.Errorf("got %s, want the connection to stay HTTP/1.1", got.Proto)
	}
}
