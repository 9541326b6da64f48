package caddyntlm

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// bodies arrive whole after a handshake, whatever the client sends with
// its legs.
func TestBodies(t *testing.T) {
	d := newDoor(t, nil)
	for _, size := range []int{0, 1 << 10, 400 << 10, 5 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			body := strings.Repeat("x", size)
			c := d.dial(t)
			c.send("POST", "/", body)
			first := c.receive("POST")
			first.want(t, 401, both...)
			c.send("POST", "/", body, type1())
			second := c.receive("POST")
			if second.challenge() == nil {
				t.Fatalf("got %d, want a Type 2", second.StatusCode)
			}
			c.send("POST", "/", body, type3(second.challenge(), "alice", "secret-a"))
			if got := c.receive("POST"); got.StatusCode != 200 || got.text != "alice:"+body {
				t.Errorf("got %d and %d bytes, want 200 and %d", got.StatusCode, len(got.text), size+6)
			}
		})
	}
}

//
func TestBodyOverTheCap(t *testing.T) {
	d := newDoor(t, nil)
	d.limits.body = 1 << 10
	body := strings.Repeat("x", 2<<10)
	chunked := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	tests := []struct {
		name   string
		header string
		status int
	}{
		{"without credentials", "", 401},
		{"with a Type 1", type1() + "\r\n", 413},
	}
	for _, tt := range tests {
		for how, rest := range map[string]string{
			"length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
			"chunked": chunked,
			"expect":  fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body)),
		} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				c := d.dial(t)
				c.write("POST / HTTP/1.1\r\nHost: site.example.com\r\n" + tt.header + rest)
				got := c.receive("POST")
				if got.StatusCode != tt.status || !got.Close {
					t.Errorf("got %d, close %v, want %d, true", got.StatusCode, got.Close, tt.status)
				}
			})
		}
	}
	d.dir.checkClosed(t)
	if lines := d.logs.FilterMessageSnippet(decision).FilterFieldKey("hint").Len(); lines == 0 {
		t.Error("got no line that tells the administrator what to do")
	}
}

//
func TestExpectContinue(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	body := strings.Repeat("x", 300<<10)
	for _, header := range []string{"", type1()} {
		if header != "" {
			header += "\r\n"
		}
		c.write(fmt.Sprintf("POST / HTTP/1.1\r\nHost: site.example.com\r\n%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", header, len(body)))
		if got := c.receive("POST"); got.StatusCode != http.StatusContinue {
			t.Fatalf("got %d, want 100", got.StatusCode)
		}
		c.write(body)
		got := c.receive("POST")
		if header == "" {
			got.want(t, 401, both...)
			continue
		}
		c.send("POST", "/", body, type3(got.challenge(), "alice", "secret-a"))
		if got := c.receive("POST"); got.text != "alice:"+body {
			t.Errorf("got %d and %d bytes", got.StatusCode, len(got.text))
		}
	}
}

// patientRecorder takes deadlines, as net/http and quic-go do.
type patientRecorder struct{ *httptest.ResponseRecorder }

func (patientRecorder) SetReadDeadline(time.Time) error { return nil }

// TestDrain: what a client still sends is read up to the cap, so that it hears
// the answer; beyond that an HTTP/1.1 connection ends, and a stream of HTTP/2 or
// HTTP/3 alone.
func TestDrain(t *testing.T) {
	const limit = 100
	d := newDoor(t, func(d *door) { d.MaxBody = limit })
	for major := 1; major <= 3; major++ {
		for length, closes := range map[int]bool{0: false, limit: false, limit + 1: major == 1} {
			body := bytes.NewReader(make([]byte, length))
			r := httptest.NewRequest("POST", "https://site.example.com/", io.NopCloser(body))
			r.ProtoMajor, r.ContentLength = major, -1
			w := patientRecorder{httptest.NewRecorder()}
			d.handler().ServeHTTP(w, r)
			if got := w.Header().Get("Connection") == "close"; w.Code != 401 || got != closes {
				t.Errorf("HTTP/%d, %d bytes: got %d, closing %v, want 401 and %v", major, length, w.Code, got, closes)
			}
			if left := body.Len(); left > 0 {
				t.Errorf("HTTP/%d, %d bytes: %d are left unread", major, length, left)
			}
		}
	}
}

//
func TestSchemeInAnyCase(t *testing.T) {
	d := newDoor(t, nil)
	c := d.dial(t)
	first := c.get(strings.Replace(type1(), "NTLM", "ntlm", 1))
	c.get(strings.Replace(type3(first.challenge(), "alice", "secret-a"), "NTLM", "nTlM", 1)).wantUser(t, "alice")
	c.get(strings.Replace(basic("bob", "secret-b"), "Basic", "BASIC", 1)).wantUser(t, "bob")
	n := newNegotiateDoor(t, nil).dial(t)
	first = n.get(strings.Replace(negotiate(message1()), "Negotiate", "nEGOTIATE", 1))
	n.get(strings.Replace(negotiate(message3(first.token(t), "alice", "secret-a")), "Negotiate", "negotiate", 1)).wantUser(t, "alice")
}

func TestForeignScheme(t *testing.T) {
	d := newDoor(t, nil)
	for _, header := range []string{"Authorization: Bearer abc", "Authorization: Negotiate TlRMTVNTUAABAAAA", `Authorization: Digest username="alice", realm="x"`} {
		c := d.dial(t)
		c.login("alice", "secret-a").wantUser(t, "alice")
		c.get(header).want(t, 401, both...)
		d.wantReason(t, identity.KindScheme)
		c.get().want(t, 401, both...)
	}
}
