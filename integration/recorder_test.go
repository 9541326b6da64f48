package integration

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/go-ntlmssp"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// recorder stands between the plugin and a controller, ends the TLS of both and
// keeps what either says.
type recorder struct {
	URL, CertFile  string
	mu             sync.Mutex
	fromUs, fromDC bytes.Buffer
	connections    int
	hide           []string // words that the controller gets to read misspelt
}

func record(t *testing.T, controller string, hide ...string) *recorder {
	t.Helper()
	certFile, keyFile := certificate(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(domain.CA())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)

	r := &recorder{URL: "ldaps://" + listener.Addr().String(), CertFile: certFile, hide: hide}
	var pipes sync.WaitGroup
	pipes.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			pipes.Go(func() { r.pipe(client, controller, &tls.Config{RootCAs: roots}) })
		}
	})
	t.Cleanup(func() { listener.Close(); pipes.Wait() })
	return r
}

func (r *recorder) pipe(client net.Conn, controller string, config *tls.Config) {
	defer client.Close()
	upstream, err := tls.Dial("tcp", controller, config)
	if err != nil {
		return
	}
	defer upstream.Close()
	r.mu.Lock()
	r.connections++
	r.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.MultiWriter(r.keep(&r.fromUs), misspelling{upstream, r.hide}), client)
		upstream.Close()
	}()
	_, _ = io.Copy(io.MultiWriter(client, r.keep(&r.fromDC)), upstream)
	client.Close()
	<-done
}

// misspelling turns each hidden word's last letter into a 9 on the way, so
// that the controller does not know it: lengths stay as they were.
type misspelling struct {
	to   io.Writer
	hide []string
}

func (m misspelling) Write(b []byte) (int, error) {
	for _, word := range m.hide {
		b = bytes.ReplaceAll(b, []byte(word), []byte(word[:len(word)-1]+"9"))
	}
	return m.to.Write(b)
}

type keeper struct {
	mu     *sync.Mutex
	buffer *bytes.Buffer
}

func (r *recorder) keep(buffer *bytes.Buffer) io.Writer { return keeper{&r.mu, buffer} }

func (k keeper) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.buffer.Write(b)
}

func (r *recorder) has(buffer *bytes.Buffer, message []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Count(buffer.Bytes(), message)
}

// TestRelayBytesUnchanged: the client's messages reach the controller, and the
// controller's the client, byte for byte, but for an LM response that no message
// integrity code covers.
func TestRelayBytesUnchanged(t *testing.T) {
	r := record(t, domain.Addr(1)+":636")
	s := start(t, siteConfig{Servers: r.URL, Body: whoami, LDAP: "\t\ttimeout {\n\t\t\tdial 3s\n\t\t}"}, trusting(r.CertFile))
	negotiate, authenticate := messages(t)

	c := dial(t, s.HTTP)
	_, challenge := c.ntlm(t, negotiate)
	if challenge == nil {
		t.Fatalf("no Type 2; reason %s", s.reason(t))
	}
	last := authenticate(challenge)
	if status, _ := c.ntlm(t, last); status != 200 {
		t.Fatalf("got %d, reason %s", status, s.reason(t))
	}
	for name, found := range map[string]int{
		"Type 1 in and out": r.has(&r.fromUs, negotiate),
		"Type 2 out and in": r.has(&r.fromDC, challenge),
		"Type 3 in and out": r.has(&r.fromUs, relayed(last)),
	} {
		if found != 1 {
			t.Errorf("%s: found %d times on the wire, want 1", name, found)
		}
	}

	// curl's messages, taken from what curl says it sent.
	got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/")
	if got.Status != 200 {
		t.Fatalf("curl got %d", got.Status)
	}
	for _, message := range curlTokens(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/") {
		if r.has(&r.fromUs, relayed(message))+r.has(&r.fromDC, message) == 0 {
			t.Errorf("a message of curl's is not on the wire as it was sent: %x", message)
		}
	}
}

// relayed is what the controller gets of a message from a client that makes no MIC.
func relayed(message []byte) []byte {
	if m, err := ntlm.ParseAuthenticate(message); err == nil {
		return m.WithoutLM()
	}
	return message
}

// TestConnectionsAreNotReused: each exchange has a connection of its own.
func TestConnectionsAreNotReused(t *testing.T) {
	r := record(t, domain.Addr(1)+":636")
	s := start(t, siteConfig{Servers: r.URL, Body: whoami}, trusting(r.CertFile))
	before := r.count()
	for _, sam := range []string{"alice", "bob"} {
		if got := dial(t, s.HTTP).logIn(t, sam); got != 200 {
			t.Fatalf("%s: got %d, reason %s", sam, got, s.reason(t))
		}
	}
	if got := r.count() - before; got < 2 {
		t.Errorf("two users shared %d connection to the controller", got)
	}
}

// sent is how many bytes came from us, TLS aside.
func (r *recorder) sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fromUs.Len()
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections
}

// messages gives go-ntlmssp's Type 1, and its Type 3 for alice.
func messages(t *testing.T) (negotiate []byte, authenticate func([]byte) []byte) {
	t.Helper()
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	return negotiate, func(challenge []byte) []byte {
		message, err := ntlmssp.NewAuthenticateMessage(challenge, `EXAMPLE\alice`, "Secr3t-alice", nil)
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
}

// curlTokens runs curl and gives every NTLM message that it sent or got.
func curlTokens(t *testing.T, args ...string) [][]byte {
	t.Helper()
	var tokens [][]byte
	for line := range strings.Lines(curlVerbose(t, args...)) {
		_, encoded, ok := strings.Cut(line, " NTLM ")
		if !ok {
			continue
		}
		if message, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded)); err == nil {
			tokens = append(tokens, message)
		}
	}
	if len(tokens) != 3 {
		t.Fatalf("curl exchanged %d messages, want 3", len(tokens))
	}
	return tokens
}

// headerOf is a field of a raw header.
func headerOf(raw, name string) string {
	for line := range strings.Lines(raw) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if http.CanonicalHeaderKey(field) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
