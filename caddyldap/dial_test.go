package caddyldap

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestTLS(t *testing.T) {
	s := startDemo(t, nil)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	pool, _ := json.Marshal(map[string]any{"provider": "file", "pem_files": []string{ca}})
	for _, c := range []struct {
		name      string
		directory *Directory
		want      identity.Kind // KindInternal for success
	}{
		{"known authority", &Directory{Server: []Server{{URL: s.LDAPS()}}, TLS: &TLS{TrustPoolRaw: pool}}, 0},
		{"unknown authority", &Directory{Server: []Server{{URL: s.LDAPS()}}, TLS: &TLS{}}, identity.KindTLS},
		{"another name", &Directory{Server: []Server{{URL: s.LDAPS()}}, TLS: &TLS{TrustPoolRaw: pool, ServerName: "dc9.example.test"}}, identity.KindTLS},
		{"its own name comes first", &Directory{Server: []Server{{URL: s.LDAPS(), ServerName: "localhost"}}, TLS: &TLS{TrustPoolRaw: pool, ServerName: "dc9.example.test"}}, 0},
		{"StartTLS", &Directory{Server: []Server{{URL: s.LDAP()}}, StartTLS: true, TLS: &TLS{TrustPoolRaw: pool}}, 0},
		{"StartTLS, unknown authority", &Directory{Server: []Server{{URL: s.LDAP()}}, StartTLS: true, TLS: &TLS{}}, identity.KindTLS},
		{"plain", &Directory{Server: []Server{{URL: s.LDAP()}}, InsecurePlaintext: true, TLS: &TLS{}}, identity.KindSigningRequired},
		{"TLS to the plain port", &Directory{Server: []Server{{URL: "ldaps://" + s.LDAP()[len("ldap://"):]}}, TLS: &TLS{}}, identity.KindUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _ := open(t, c.directory, "EXAMPLE")
			_, err := logIn(t, d, "alice", "Secr3t-alice")
			if c.want == 0 && err != nil || c.want != 0 && identity.KindOf(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestPlaintextWhereAllowed(t *testing.T) {
	s := startDemo(t, func(cfg *demodir.Config) { cfg.AllowPlain = true })
	d, _ := open(t, &Directory{Server: []Server{{URL: s.LDAP()}}, InsecurePlaintext: true}, "EXAMPLE")
	if _, err := logIn(t, d, "alice", "Secr3t-alice"); err != nil {
		t.Errorf("got %v", err)
	}
}

// hostile is a server that answers the first bytes it gets with its own.
func hostile(t *testing.T, answer []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				_, _ = c.Write(answer)
				_, _ = c.Read(make([]byte, 4096)) // until the client is gone
			}()
		}
	}()
	return "ldap://" + l.Addr().String()
}

func TestHostileServer(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		want   identity.Kind
	}{
		{"nonsense", "HTTP/1.1 400 Bad Request\r\n\r\n", identity.KindProtocol},
		{"two gigabytes", "\x30\x84\x7f\xff\xff\xff", identity.KindProtocol},
		{"two gigabytes inside", "\x30\x06\x04\x84\x7f\xff\xff\xff", identity.KindProtocol},
		{"success to another message", "\x30\x0c\x02\x01\x09\x61\x07\x0a\x01\x00\x04\x00\x04\x00", identity.KindProtocol},
		{"notice of disconnection", "\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00", identity.KindUnavailable},
		{"success, and nobody bound", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", identity.KindUnavailable},
		{"silence", "", identity.KindTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _ := open(t, &Directory{
				Server: []Server{{URL: hostile(t, []byte(c.answer))}}, InsecurePlaintext: true,
				Timeout: &Timeout{Request: 300_000_000},
			}, "EXAMPLE")
			start := time.Now()
			if id, err := logIn(t, d, "alice", "Secr3t-alice"); identity.KindOf(err) != c.want {
				t.Errorf("bind: got %v, %v, want %v", id, err, c.want)
			}
			if _, err := d.NTLMVerifier().StartNTLM(context.Background(), []byte("NTLMSSP\x00\x01"), nil); err == nil {
				t.Error("relay: got no error")
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestIPv6Only: threats E-07.
func TestIPv6Only(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.Addr = "[::1]:0" })
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	for way, id := range everyWay(t, d, "alice") {
		if id.SAM != "alice" || !strings.HasPrefix(id.Server, "[::1]:") {
			t.Errorf("%s: got %s from %s", way, id.SAM, id.Server)
		}
	}
}
