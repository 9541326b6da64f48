package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-ntlm/caddy-ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// A Caddy in this process serves one page thrice: to everybody, to whom a
// directory knows, and by Basic to the members of a nested group.
const caddyfile = globalOptions + `	ldap EXAMPLE {
		server %[1]s
		tls {
			trust_pool file %[2]s
		}
	}
}
http://%[3]s {
	bind 127.0.0.1
	respond "hello"
}
http://%[4]s {
	bind 127.0.0.1
	windows_auth EXAMPLE {
		require group "Domain Users"
	}
	respond "hello"
}
http://%[5]s {
	bind 127.0.0.1
	windows_auth EXAMPLE {
		insecure_basic
		require group BUILTIN\Users
	}
	respond "hello"
}
`

type site struct{ plain, door, basic string }

func start(b *testing.B, ldaps, ca string) site {
	b.Helper()
	free := freeAddresses(b, 3)
	s := site{free[0], free[1], free[2]}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(fmt.Appendf(nil, caddyfile, ldaps, ca, s.plain, s.door, s.basic), nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = caddy.Stop() })
	return s
}

// startDemo serves the directory in this process.
func startDemo(b *testing.B) site {
	b.Helper()
	directory, err := demodir.Start(demodir.Demo())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = directory.Close() })
	ca := filepath.Join(b.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, directory.CAPEM(), 0o600); err != nil {
		b.Fatal(err)
	}
	return start(b, directory.LDAPS(), ca)
}

// freeAddresses are of as many ports, each another one.
func freeAddresses(b testing.TB, n int) []string {
	b.Helper()
	var found []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = l.Close() }() // when all are known
		found = append(found, l.Addr().String())
	}
	return found
}

// browser is what a browser sends besides.
const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nCookie: a=b; c=d\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"

// client is one connection, and a client that costs little itself.
type client struct {
	nc      net.Conn
	read    *bufio.Reader
	request []byte
	answer  []byte // as long as each answer is
}

func dial(address string) (*client, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{nc: nc, read: bufio.NewReader(nc), request: []byte("GET / HTTP/1.1\r\nHost: " + address + "\r\n" + browser + "\r\n")}, nil
}

// ask sends a request with one more header and reads the answer.
func (c *client) ask(header string) (*http.Response, error) {
	request := bytes.TrimSuffix(c.request, []byte("\r\n"))
	if _, err := c.nc.Write(append(request[:len(request):len(request)], header+"\r\n"...)); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response, err
}

// logIn runs an NTLM handshake.
func (c *client) logIn() error {
	// gss-ntlmssp takes no Type 1 without a version, which Windows sends.
	user := &ntlm.Client{Domain: "EXAMPLE", User: "alice", Password: "Secr3t-alice", Version: &ntlm.Version{Major: 10, Build: 20348, Revision: 15}}
	encode := base64.StdEncoding.EncodeToString
	response, err := c.ask("Authorization: NTLM " + encode(user.Negotiate()) + "\r\n")
	if err != nil {
		return err
	}
	token, ok := strings.CutPrefix(response.Header.Get("Www-Authenticate"), "NTLM ")
	challenge, err := base64.StdEncoding.DecodeString(token)
	if !ok || err != nil {
		return fmt.Errorf("got %s %q to a Type 1", response.Status, response.Header)
	}
	message, err := user.Authenticate(challenge)
	if err != nil {
		return err
	}
	response, err = c.ask("Authorization: NTLM " + encode(message) + "\r\n")
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("got %s to a Type 3", response.Status)
	}
	return err
}

// get asks for the page. All answers are as long as the first.
func (c *client) get() error {
	if _, err := c.nc.Write(c.request); err != nil {
		return err
	}
	if c.answer == nil {
		for !bytes.HasSuffix(c.answer, []byte("\r\n\r\nhello")) {
			one, err := c.read.ReadByte()
			if err != nil {
				return err
			}
			c.answer = append(c.answer, one)
		}
	} else if _, err := io.ReadFull(c.read, c.answer); err != nil {
		return err
	}
	if !bytes.HasPrefix(c.answer, []byte("HTTP/1.1 200")) || !bytes.HasSuffix(c.answer, []byte("\r\n\r\nhello")) {
		return fmt.Errorf("got %q", c.answer)
	}
	return nil
}

func (c *client) many(b *testing.B, n int) {
	for range n {
		if err := c.get(); err != nil {
			b.Fatal(err)
		}
	}
}

// cpu is what this process has used: both ends of each connection.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkRequest asks for the page on a kept connection, by turns without and
// with the plugin.
func BenchmarkRequest(b *testing.B) {
	s := startDemo(b)
	plain, err := dial(s.plain)
	if err != nil {
		b.Fatal(err)
	}
	door, err := dial(s.door)
	if err != nil {
		b.Fatal(err)
	}
	if err := door.logIn(); err != nil {
		b.Fatal(err)
	}
	const batch = 100
	clients := [...]*client{plain, door}
	var spent [len(clients)][]time.Duration
	var used [len(clients)]time.Duration
	for _, c := range clients {
		c.many(b, 10*batch)
	}
	for b.Loop() {
		for i, c := range clients {
			began, before := time.Now(), cpu()
			c.many(b, batch)
			spent[i] = append(spent[i], time.Since(began))
			used[i] += cpu() - before
		}
	}
	for i, name := range [...]string{"plain", "door"} {
		requests := float64(b.N * batch)
		slices.Sort(spent[i]) // the median: others use this machine too
		b.ReportMetric(float64(spent[i][len(spent[i])/2])/batch, name+"-ns")
		b.ReportMetric(float64(used[i])/requests, name+"-cpu-ns")
		b.ReportMetric(testing.AllocsPerRun(2000, func() { clients[i].many(b, 1) }), name+"-allocs")
		_ = clients[i].nc.Close()
	}
}

// BenchmarkLogin counts NTLM log-ins, each on a new connection, several at a
// time. With LAB_DIR, the lab that make lab keeps up, it asks Samba too.
func BenchmarkLogin(b *testing.B) {
	b.Run("demo", func(b *testing.B) { logIns(b, startDemo(b)) })
	if dir := os.Getenv("LAB_DIR"); dir != "" {
		b.Run("samba", func(b *testing.B) {
			l, err := lab.Open(dir)
			if err != nil {
				b.Fatal(err)
			}
			logIns(b, start(b, l.LDAPS(1), l.CA()))
		})
	}
}

func logIns(b *testing.B, s site) {
	const workers = 8
	logIn := func() error {
		c, err := dial(s.door)
		if err != nil {
			return err
		}
		defer func() { _ = c.nc.Close() }()
		return c.logIn()
	}
	if err := logIn(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	before := cpu()
	var wg sync.WaitGroup
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	for range workers {
		wg.Go(func() {
			for range left {
				if err := logIn(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/1e6, "cpu-ms")
}
