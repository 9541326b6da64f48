package caddyntlm

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"
)

// overHTTP2 is a door on TLS and a client of HTTP/2 for it.
func overHTTP2(t *testing.T) (*door, *http.Transport) {
	t.Helper()
	d := prepareDoor(t, func(d *door) { d.InsecureBasic = false })
	d.server = newTLSServer(d)
	t.Cleanup(d.close)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	t.Cleanup(transport.CloseIdleConnections)
	return d, transport
}

// TestOpenStreams: a client of HTTP/2 may wait for the answer before it ends its
// body, or never end it. It is answered, and holds nothing.
func TestOpenStreams(t *testing.T) {
	for name, c := range map[string]struct {
		contentType string
		trickle     bool
		within      time.Duration
	}{
		"waiting":   {"application/octet-stream", false, patienceStream + 5*time.Second},
		"trickling": {"application/octet-stream", true, patienceStream + 5*time.Second},
		"gRPC":      {"application/grpc+proto", false, patienceStream - time.Second/2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, transport := overHTTP2(t)
			body, feed := io.Pipe()
			defer func() { _ = feed.Close() }()
			if c.trickle {
				go func() {
					for _, err := feed.Write([]byte{0}); err == nil; _, err = feed.Write([]byte{0}) {
						time.Sleep(20 * time.Millisecond)
					}
				}()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "POST", d.server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", c.contentType)
			before := time.Now()
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			readAnswer(t, response).want(t, 401, "NTLM", `Basic realm="127.0.0.1", charset="UTF-8"`)
			if took := time.Since(before); took > c.within {
				t.Errorf("answered after %v, want %v at most", took, c.within)
			}
		})
	}
}

// A writer that knows no deadlines, as some other plugin's may be, must not make
// a stream wait for its own end.
func TestOpenStreamWithoutDeadlines(t *testing.T) {
	d := prepareDoor(t, nil)
	body, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	r := httptest.NewRequest("POST", "https://site.example.com/", body)
	r.ProtoMajor, r.ContentLength = 2, -1
	w := httptest.NewRecorder()
	d.handler().ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("got %d, want 401", w.Code)
	}
}

// on HTTP/2 the connection goes on, for others may use it too.
func TestMalformedOverHTTP2(t *testing.T) {
	d, transport := overHTTP2(t)
	for i, header := range []string{"NTLM ???", "Basic YTpi", "NTLM ???"} {
		r, err := http.NewRequest("GET", d.server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
			if c.Reused != (i > 0) {
				t.Errorf("request %d: on a connection used before: %v", i, c.Reused)
			}
		}}))
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, malformed := readAnswer(t, response).StatusCode, strings.HasSuffix(header, "?"); (got == 400) != malformed {
			t.Errorf("%s: got %d", header, got)
		}
	}
}

// whom an inner rule or an inner windows_auth turns away, or lets pass as
// nobody, is nobody to the page that tells of it and to the application: what was
// handed on before is taken back.
func TestRefusedInsideIsNobody(t *testing.T) {
	const (
		outer = `{"handler": "test_door", "insecure_basic": true, "forward": [{"header": "X-Remote-User", "value": "{http.auth.user.id}"}]`
		tell  = `{"handler": "static_response", "body": "[{http.request.header.X-Remote-User}][{http.request.header.X-Inner}][{http.auth.user.id}]"}`
		inner = `{"handler": "test_door", "insecure_basic": true, "forward": [{"header": "X-Inner", "value": "{http.auth.user.id}"}]`
	)
	for name, c := range map[string]struct {
		behind string
		status int
		want   string
	}{
		"let in":              {tell, 200, "[alice][][alice]"},
		"a rule":              {`{"handler": "require", "rule": {"user": ["bob"]}}`, 403, "[][][]"},
		"a door's rule":       {inner + `, "require": {"user": ["bob"]}}`, 403, "[][][]"},
		"a rule behind two":   {inner + `}, {"handler": "require", "rule": {"user": ["bob"]}}`, 403, "[][][]"},
		"a door that lets in": {inner + `}, ` + tell, 200, "[alice][alice][alice]"},
		"a bypass":            {inner + `, "bypass": [{"path": ["/*"]}]}, ` + tell, 200, "[][][]"},
	} {
		t.Run(name, func(t *testing.T) {
			d := loadRoutes(t, `"errors": {"routes": [{"handle": [`+tell+`]}]},`, `{"handle": [`+outer+`}, `+c.behind+`]}`)
			for how, got := range map[string]answer{
				"Basic": d.dial(t).get(basic("alice", "secret-a")), "NTLM": d.dial(t).login("alice", "secret-a"),
			} {
				if text := strings.ReplaceAll(got.text, "{http.auth.user.id}", ""); got.StatusCode != c.status || text != c.want {
					t.Errorf("%s: got %d %q, want %d %q", how, got.StatusCode, text, c.status, c.want)
				}
			}
		})
	}
}
