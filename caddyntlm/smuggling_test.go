package caddyntlm

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// whatever the parser makes of it, no request is taken for another
// client's, and none that is hidden in another is served.

// hidden is a request with good credentials that must never be seen as one.
var hidden = "GET /hidden HTTP/1.1\r\nHost: site.example.com\r\n" + basic("bob", "secret-b") + "\r\n\r\n"

// plain is a request without credentials behind another.
const plain = "GET /second HTTP/1.1\r\nHost: site.example.com\r\n\r\n"

func post(rest string) string { return "POST / HTTP/1.1\r\nHost: site.example.com\r\n" + rest }

var smuggled = map[string]string{
	"CL and TE":                 post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + plain),
	"TE and CL":                 post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + plain),
	"hidden under CL and TE":    post(fmt.Sprintf("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden)),
	"hidden in a body":          post(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hidden), hidden)),
	"hidden in a chunk":         post(fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden)),
	"hidden in a GET":           fmt.Sprintf("GET / HTTP/1.1\r\nHost: site.example.com\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden),
	"hidden over the cap":       post(fmt.Sprintf("Content-Length: %d\r\n\r\n%s%s", 64<<10+len(hidden), strings.Repeat("x", 64<<10), hidden)),
	"hidden in chunk extension": post("Transfer-Encoding: chunked\r\n\r\n1;a=\"\r\nx\r\n0\r\n\r\n" + plain),
	"chunk extension, bare LF":  post("Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n" + plain),
	"chunk size too long":       post("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden),
	"unknown TE":                post("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + plain),
	"two TE":                    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + plain),
	"TE with a space":           post("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + plain),
	"two lengths":               post("Content-Length: 0\r\nContent-Length: 9\r\n\r\n" + plain),
	"signed length":             post("Content-Length: +0\r\n\r\n" + plain),
	"folded into a value":       post("X-A: b\r\n " + basic("bob", "secret-b") + "\r\nContent-Length: 0\r\n\r\n" + plain),
	"bare CR":                   post("X-A: b\r" + basic("bob", "secret-b") + "\r\nContent-Length: 0\r\n\r\n" + plain),
	"NUL":                       post("X-A: b\x00" + basic("bob", "secret-b") + "\r\nContent-Length: 0\r\n\r\n" + plain),
	"trailer":                   post("Trailer: Authorization\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + basic("bob", "secret-b") + "\r\n\r\n" + plain),
	"two TE in one":             post("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + plain),
	"TE with a vertical tab":    post("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + plain),
	"TE folded":                 post("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + plain),
	"TE by HTTP/1.0":            "POST / HTTP/1.0\r\nHost: site.example.com\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + plain,
	"lengths in one":            post("Content-Length: 0, 9\r\n\r\n" + plain),
	"length in base 16":         post("Content-Length: 0x0\r\n\r\n" + plain),
	"negative length":           post("Content-Length: -1\r\n\r\n" + plain),
	"length with a space":       post("Content-Length : 0\r\n\r\n" + plain),
	"chunk size with a sign":    post("Transfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n" + plain),
	"chunk without its end":     post("Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n" + hidden),
	"long chunk extension":      post("Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 70<<10) + "\r\nx\r\n0\r\n\r\n" + plain),
	"bare LF ends the headers":  post("Content-Length: " + fmt.Sprint(len(hidden)) + "\n\n" + hidden),
	"bare LF in a name":         post("X-A\n" + basic("bob", "secret-b") + "\r\nContent-Length: 0\r\n\r\n" + plain),
	"credentials with a space":  "GET / HTTP/1.1\r\nHost: site.example.com\r\n" + strings.Replace(basic("bob", "secret-b"), ":", " :", 1) + "\r\n\r\n" + plain,
	"credentials after a fold":  "GET / HTTP/1.1\r\nHost: site.example.com\r\n " + basic("bob", "secret-b") + "\r\n\r\n" + plain,
	"credentials for a proxy":   "GET / HTTP/1.1\r\nHost: site.example.com\r\nProxy-" + basic("bob", "secret-b") + "\r\n\r\n" + plain,
	"hidden behind 100":         post(fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden)),
	"hidden in an upgrade":      post(fmt.Sprintf("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden)),
	"credentials as a line end": "GET / HTTP/1.1 " + basic("bob", "secret-b") + "\r\nHost: site.example.com\r\n\r\n" + plain,
}

// exchange writes all at once and reads every answer until the connection ends.
func (c *client) exchange(raw string) (answers []answer) {
	c.write(raw)
	_ = c.nc.(*net.TCPConn).CloseWrite()
	for {
		response, err := http.ReadResponse(c.read, &http.Request{Method: "GET"})
		if err != nil {
			return answers
		}
		text, _ := io.ReadAll(response.Body)
		answers = append(answers, answer{response, string(text)})
	}
}

func TestSmuggling(t *testing.T) {
	for name, raw := range smuggled {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, func(d *door) { d.MaxBody = 64 << 10 })
			for _, got := range d.dial(t).exchange(raw) {
				if got.StatusCode == http.StatusOK {
					t.Errorf("a stranger got 200 %q", got.text)
				}
				if got.StatusCode == http.StatusBadRequest && !got.Close {
					t.Error("got 400 and the connection kept: what follows would be a request")
				}
			}
			if got := d.served.Load(); got != 0 {
				t.Errorf("got %d requests at the application, want 0", got)
			}
			for _, header := range []string{type1(), authorization("NTLM", ntlmMessage(3, "x"))} {
				d.dial(t).exchange(strings.Replace(raw, "\r\n", "\r\n"+header+"\r\n", 1))
			}
			if got := d.served.Load(); got != 0 {
				t.Errorf("in a handshake: got %d requests at the application, want 0", got)
			}

			alice, stranger := d.dial(t), d.dial(t)
			stranger.get().want(t, 401, both...)
			alice.login("alice", "secret-a").wantUser(t, "alice")
			for _, got := range alice.exchange(raw) {
				if got.StatusCode == http.StatusOK && !strings.HasPrefix(got.text, "alice:") {
					t.Errorf("got %q on alice's connection", got.text)
				}
			}
			stranger.get().want(t, 401, both...)
		})
	}
}
