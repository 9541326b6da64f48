package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
)

// The floor is what a log-in by Netlogon costs in Caddy before anything of it is done:
// two requests on a new connection, and a question to another process on one of two
// kept connections in between. Nothing is parsed, sealed, decided or logged.

// Shapes of such a log-in, as they were seen between the site and Samba.
const (
	floorChannels = 2
	floorQuestion = 700                     // bytes, sealed
	floorAnswer   = 900                     // bytes, sealed
	floorWork     = 1700 * time.Microsecond // of processor time, at the controller
	floorToken    = 300                     // bytes of the challenge, in base64
)

// answererVariable says where this program answers instead of measuring.
const answererVariable = "BENCH_ANSWERER"

const floorSite = globalOptions + `}
http://%[1]s {
	bind 127.0.0.1
	bench_floor %[2]s
	respond "hello"
}
`

func init() {
	caddy.RegisterModule(new(floor))
	httpcaddyfile.RegisterHandlerDirective("bench_floor", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		f := new(floor)
		if h.Next(); !h.Args(&f.Answerer) {
			return nil, h.ArgErr()
		}
		return f, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("bench_floor", httpcaddyfile.Before, "respond")
}

// floor answers a short Authorization with a challenge and asks about a long one.
type floor struct {
	Answerer string `json:"answerer"`

	idle chan net.Conn
}

func (*floor) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_floor", New: func() caddy.Module { return new(floor) }}
}

func (f *floor) Provision(caddy.Context) error {
	f.idle = make(chan net.Conn, floorChannels)
	for range floorChannels {
		nc, err := net.Dial("tcp", f.Answerer)
		if err != nil {
			return err
		}
		f.idle <- nc
	}
	return nil
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if len(r.Header.Get("Authorization")) < floorToken {
		w.Header().Set("WWW-Authenticate", "NTLM "+strings.Repeat("A", floorToken))
		return caddyhttp.Error(http.StatusUnauthorized, nil)
	}
	nc := <-f.idle
	buffer := make([]byte, max(floorQuestion, floorAnswer))
	_, err := nc.Write(buffer[:floorQuestion])
	if err == nil {
		_, err = io.ReadFull(nc, buffer[:floorAnswer])
	}
	f.idle <- nc
	if err != nil {
		return err
	}
	return next.ServeHTTP(w, r)
}

// answer is the floor's controller.
func answer(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		_ = l.Close()
	}()
	for {
		nc, err := l.Accept()
		if err != nil {
			return nil // whoever started it closed its input
		}
		go work(nc)
	}
}

func work(nc net.Conn) {
	question := make([]byte, floorQuestion)
	for {
		if _, err := io.ReadFull(nc, question); err != nil {
			return
		}
		for began := time.Now(); time.Since(began) < floorWork; {
		}
		if _, err := nc.Write(make([]byte, floorAnswer)); err != nil {
			return
		}
	}
}

// startFloor serves the floor until the benchmark ends.
func startFloor(b *testing.B) *judged {
	b.Helper()
	addresses := freeAddresses(b, 2)
	answerer := exec.Command(os.Args[0])
	answerer.Env = append(os.Environ(), answererVariable+"="+addresses[1])
	input, err := answerer.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	servers.Run(b, answerer, addresses[1], func() { _ = input.Close() })
	pid := startCaddy(b, fmt.Sprintf(floorSite, addresses[0], addresses[1]), addresses[0])
	return &judged{name: "floor", address: addresses[0], pids: []int{pid}, asks: (*client).floor}
}

// floor is a log-in of nobody.
func (c *client) floor() error { return c.expect(http.StatusUnauthorized, http.StatusOK) }

// twice is two requests as long as those of a log-in.
func (c *client) twice() error { return c.expect(http.StatusOK, http.StatusOK) }

// expect sends two requests as long as those of a log-in.
func (c *client) expect(first, second int) error {
	for _, leg := range []struct{ length, status int }{{56, first}, {480, second}} {
		response, err := c.ask("Authorization: NTLM " + strings.Repeat("A", leg.length) + "\r\n")
		if err != nil {
			return err
		}
		if response.StatusCode != leg.status {
			return fmt.Errorf("got %s without the plugin, want %d", response.Status, leg.status)
		}
	}
	return nil
}
