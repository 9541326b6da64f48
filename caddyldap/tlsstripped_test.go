package caddyldap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// The answers of a server that takes StartTLS, and of one that does not know it,
// to the first message of a connection: RFC 4511 4.14.2.
const (
	startTLSTaken   = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	startTLSUnknown = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"
)

// TestTLSThatIsNone: threats D-11. Where there is no TLS worth the name, nobody is
// let in and not a byte of a name or password leaves.
func TestTLSThatIsNone(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		until    time.Time // of the certificate
		most     uint16    // version of TLS
		startTLS string    // what the server answers in the clear
		mute     bool      // and then it speaks LDAP in the clear
		want     identity.Kind
	}{
		"expired":                       {until: now.Add(-time.Hour), want: identity.KindTLS},
		"TLS 1.0":                       {until: now.Add(time.Hour), most: tls.VersionTLS10, want: identity.KindTLS},
		"TLS 1.1":                       {until: now.Add(time.Hour), most: tls.VersionTLS11, want: identity.KindTLS},
		"StartTLS, expired":             {until: now.Add(-time.Hour), startTLS: startTLSTaken, want: identity.KindTLS},
		"StartTLS refused":              {until: now.Add(time.Hour), startTLS: startTLSUnknown, mute: true, want: identity.KindTLS},
		"StartTLS taken, and no TLS":    {until: now.Add(time.Hour), startTLS: startTLSTaken + startTLSTaken, mute: true, want: identity.KindTLS},
		"all is well":                   {until: now.Add(time.Hour), want: identity.KindUnavailable}, // it hangs up after the handshake
		"all is well, with StartTLS":    {until: now.Add(time.Hour), startTLS: startTLSTaken, want: identity.KindUnavailable},
		"StartTLS answered with a bind": {until: now.Add(time.Hour), startTLS: "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", mute: true, want: identity.KindProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			s := newListener(t, c.until, c.most, c.startTLS, c.mute)
			config := &Directory{Server: []Server{{URL: s.url}}, StartTLS: c.startTLS != "", Timeout: &Timeout{Request: caddy.Duration(time.Second)}, TLS: &TLS{TrustPoolRaw: s.pool}}
			d, _ := open(t, config, "EXAMPLE")
			if id, err := logIn(t, d, "alice", "Secr3t-alice"); identity.KindOf(err) != c.want {
				t.Errorf("a password: got %v, %v, want %v", id, err, c.want)
			}
			if x, err := d.NTLMVerifier().StartNTLM(t.Context(), new(ntlm.Client).Negotiate(), nil); err == nil {
				_ = x.Close()
				t.Error("NTLM: got an exchange")
			}
			if heard := s.heard(); c.want != identity.KindUnavailable && (bytes.Contains(heard, []byte("Secr3t")) || bytes.Contains(heard, []byte("alice")) || bytes.Contains(heard, []byte("NTLMSSP"))) {
				t.Errorf("the server heard %q", heard)
			}
		})
	}
}

// listener is a server that takes connections, with TLS or what goes for it, and
// notes all that it hears in the clear and inside.
type listener struct {
	url  string
	pool json.RawMessage // of its own certificate

	mu   sync.Mutex
	text bytes.Buffer
}

func (s *listener) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *listener) heard() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.text.Bytes())
}

func newListener(t *testing.T, until time.Time, most uint16, startTLS string, mute bool) *listener {
	t.Helper()
	s := new(listener)
	config := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: most, Certificates: []tls.Certificate{s.certify(t, until)}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "ldaps://" + l.Addr().String()
	if startTLS != "" {
		s.url = "ldap://" + l.Addr().String()
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer nc.Close()
				_ = nc.SetDeadline(time.Now().Add(2 * time.Second))
				if startTLS != "" {
					_, _ = io.CopyN(s, nc, 31) // an extended request by that name
					_, _ = io.WriteString(nc, startTLS)
				}
				if mute {
					_, _ = io.Copy(s, nc)
					return
				}
				secure := tls.Server(heardConn{nc, io.TeeReader(nc, s)}, config)
				_ = secure.Handshake()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return s
}

// heardConn reads through what notes it.
type heardConn struct {
	net.Conn
	from io.Reader
}

func (c heardConn) Read(p []byte) (int, error) { return c.from.Read(p) }

// certify makes a certificate for 127.0.0.1 that signs itself.
func (s *listener) certify(t *testing.T, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dc"}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.pool, err = json.Marshal(map[string]any{"provider": "file", "pem_files": []string{file}}); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
