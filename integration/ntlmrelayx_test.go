package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// impacket is a running ntlmrelayx: whoever visits URL is logged in, in his name, at
// the site that aim names, and what that shows is printed.
type impacket struct {
	URL string

	mu   sync.Mutex
	site string // host:port
	said bytes.Buffer
}

// relayx starts one that ends with the test.
func relayx(t *testing.T) *impacket {
	t.Helper()
	forward, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	x := &impacket{URL: fmt.Sprintf("http://127.0.0.1:%d/", port)}
	var pipes sync.WaitGroup
	pipes.Go(func() { x.forward(forward, &pipes) })

	_, at, _ := net.SplitHostPort(forward.Addr().String())
	script, err := filepath.Abs("testdata/ntlmrelayx.py")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/usr/bin/python3", "-B", script, "-t", "https://localhost:"+at+"/", "-ip", "127.0.0.1", "--http-port", fmt.Sprint(port),
		"--no-smb-server", "--no-wcf-server", "--no-raw-server")
	command.Dir, command.Env = t.TempDir(), append(os.Environ(), "PYTHONUNBUFFERED=1")
	command.Stdout, command.Stderr = x, x
	life, err := command.StdinPipe() // it ends with its input
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("%v: make deps installs it", err)
	}
	t.Cleanup(func() {
		_ = life.Close()
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = forward.Close()
		pipes.Wait()
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = nc.Close()
			return x
		}
		if time.Now().After(end) {
			t.Fatalf("ntlmrelayx does not listen; make deps installs python3-impacket\n%s", x.text())
		}
	}
}

// forward passes connections on to the site of the moment, byte for byte.
func (x *impacket) forward(listener net.Listener, pipes *sync.WaitGroup) {
	for {
		from, err := listener.Accept()
		if err != nil {
			return
		}
		x.mu.Lock()
		site := x.site
		x.mu.Unlock()
		to, err := net.Dial("tcp", site)
		if err != nil {
			_ = from.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
			pipes.Go(func() {
				_, _ = io.Copy(way[1], way[0])
				_ = from.Close()
				_ = to.Close()
			})
		}
	}
}

// aim has the next victim be relayed to a site.
func (x *impacket) aim(s *site) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.site = strings.Replace(strings.TrimPrefix(s.HTTPS, "https://"), "localhost", "127.0.0.1", 1)
	x.said.Reset()
}

func (x *impacket) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.Write(b)
}
func (x *impacket) text() string { x.mu.Lock(); defer x.mu.Unlock(); return x.said.String() }

// await waits until one of the texts is said, and gives all that was.
func (x *impacket) await(t *testing.T, texts ...string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		said := x.text()
		for _, text := range texts {
			if strings.Contains(said, text) {
				return said
			}
		}
		if time.Now().After(end) {
			t.Fatalf("ntlmrelayx says none of %q but\n%s", texts, said)
		}
	}
}

// TestNTLMRelayX: threats B-13. Impacket's ntlmrelayx, the tool that attackers use,
// has the page of a site shown to it in the name of its visitors, curl and Chromium,
// where the site holds log-ins to nothing: so it does its work. Its own page is not
// TLS, and so no visitor of it names a connection. Where they must, it gets nothing;
// where they may, the name of the host that Chromium meant keeps it out if the site
// says which are its own, and nothing keeps out what curl sends, which names none.
func TestNTLMRelayX(t *testing.T) {
	x := relayx(t)
	chromium := browser(t, `EXAMPLE\alice`, "Secr3t-alice", 100)
	victims := map[string]func(*testing.T){
		"curl":     func(t *testing.T) { curl(t, "--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`, x.URL) },
		"Chromium": func(*testing.T) { visitAny(chromium, x.URL) },
	}
	for verifier, words := range map[string]string{"netlogon": netlogonWords(), "relay": "verify relay"} {
		for word, in := range map[string]map[string]bool{
			"off":                                {"curl": true, "Chromium": true},
			"allow":                              {"curl": true, "Chromium": true},
			"allow\n\t\taccept_target localhost": {"curl": true, "Chromium": false},
			"require":                            {"curl": false, "Chromium": false},
		} {
			body := strings.Replace(whoami, "insecure_basic", "schemes ntlm\n\t\textended_protection "+word, 1)
			s := start(t, siteConfig{LDAP: words, Body: body})
			for victim, visits := range victims {
				t.Run(strings.Join([]string{verifier, word, victim}, ", "), func(t *testing.T) {
					x.aim(s)
					visits(t)
					said := x.await(t, "b'alice|", "FAILED")
					if got := strings.Contains(said, "b'alice|"); got != in[victim] || !got && s.reason(t) != "epa" {
						t.Errorf("let in: %v, reason %s, want %v\n%s", got, s.reason(t), in[victim], said)
					}
				})
			}
		}
	}
}
