package caddyntlm

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// oneSession hands a client the session of any server, whatever name it asks for.
type oneSession struct{ state *tls.ClientSessionState }

func (s *oneSession) Get(string) (*tls.ClientSessionState, bool) { return s.state, s.state != nil }
func (s *oneSession) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		s.state = state
	}
}

// TestProtectionOfResumed: a server shows no certificate to who resumes a session, and
// so does not look at the name that is asked for. Who stands between chooses one of
// which the server has no certificate: a log-in bound to another server is refused
// there too.
func TestProtectionOfResumed(t *testing.T) {
	var own tls.Certificate
	d := prepareDoor(t, func(d *door) {
		d.Handler.server = &caddyhttp.Server{TLSConnPolicies: caddytls.ConnectionPolicies{{TLSConfig: &tls.Config{
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.ServerName != "example.com" {
					return nil, errors.New("no certificate of this name")
				}
				return &own, nil
			},
		}}}}
	})
	elsewhere := [16]byte{3}
	var right [16]byte
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		channel := (&visit{door: d.Handler, r: r, w: w}).channel()
		verdict := func(m identity.Meant) string {
			if channel.Check(m) != nil {
				return "-"
			}
			return "+"
		}
		_, _ = io.WriteString(w, verdict(identity.Meant{Binding: &right})+verdict(identity.Meant{Binding: &elsewhere})+verdict(identity.Meant{}))
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	own, right = server.TLS.Certificates[0], ntlm.EndPointBinding(server.Certificate())
	sessions := new(oneSession)
	ask := func(name string) (string, bool) {
		t.Helper()
		c, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true, ClientSessionCache: sessions}) //nolint:gosec // whom it reaches it knows
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw[len(raw)-3:]), c.ConnectionState().DidResume
	}
	if got, _ := ask("example.com"); got != "+-+" {
		t.Fatalf("got %s, want +-+", got)
	}
	got, resumed := ask("nobody.invalid")
	if !resumed {
		t.Fatal("not resumed, and this proves nothing")
	}
	if got[1] != '-' {
		t.Errorf("resumed under a name of no certificate: a log-in bound to another server is taken (%s)", got)
	}
}
