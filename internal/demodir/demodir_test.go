package demodir

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the demo's directory with changes.
func start(t *testing.T, change ...func(*Config)) *Server {
	t.Helper()
	cfg := Demo()
	cfg.Slow = 50 * time.Millisecond
	for _, c := range change {
		c(&cfg)
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func trust(s *Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.CA())
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// dial opens a connection with TLS.
func dial(t *testing.T, s *Server) *ldap.Conn {
	t.Helper()
	return dialURL(t, s.LDAPS(), ldap.DialWithTLSConfig(trust(s)))
}

func dialURL(t *testing.T, url string, opts ...ldap.DialOpt) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.SetTimeout(10 * time.Second)
	return c
}

// bound is a connection that alice has logged in on.
func bound(t *testing.T, s *Server) *ldap.Conn {
	t.Helper()
	c := dial(t, s)
	if err := c.Bind(`EXAMPLE\alice`, "Secr3t-alice"); err != nil {
		t.Fatal(err)
	}
	return c
}

// answer is the code and text of a failure, 0 for a success, -1 for a lost
// connection.
func answer(err error) (int, string) {
	e, ok := errors.AsType[*ldap.Error](err)
	switch {
	case err == nil:
		return 0, ""
	case !ok || e.ResultCode >= ldap.ErrorNetwork:
		return -1, err.Error()
	}
	return int(e.ResultCode), e.Err.Error()
}

func whoami(t *testing.T, c *ldap.Conn) string {
	t.Helper()
	res, err := c.WhoAmI(nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.AuthzID
}

func TestStart(t *testing.T) {
	began := time.Now()
	s := start(t)
	if took := time.Since(began); took > 500*time.Millisecond { // 50 ms without the race detector, on a free machine
		t.Errorf("took %v", took)
	}
	if got, want := s.BaseDN(), "DC=example,DC=test"; got != want {
		t.Errorf("got base %q, want %q", got, want)
	}
	if got := s.Users()[0]; got.Name != "alice" || got.Password != "Secr3t-alice" {
		t.Errorf("got %v first, want alice", got)
	}
}

func TestStartRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"unknown group":        func(c *Config) { c.Users[0].Groups = []string{"Nobody knows"} },
		"unknown parent group": func(c *Config) { c.Groups[0].MemberOf = []string{"Nobody knows"} },
		"user twice":           func(c *Config) { c.Users[1].Name = "ALICE" },
		"user named as group":  func(c *Config) { c.Users[1].Name = "staff" },
		"cn twice":             func(c *Config) { c.Users[1].CN = c.Users[0].CN },
		"no name":              func(c *Config) { c.Users[1].Name = "" },
		"no domain":            func(c *Config) { c.Domain = "" },
		"every interface":      func(c *Config) { c.Addr = "0.0.0.0:0" },
		"no address":           func(c *Config) { c.Addr = "nonsense" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Demo()
			change(&cfg)
			s, err := Start(cfg)
			if err == nil {
				_ = s.Close()
				t.Error("started")
			}
		})
	}
}

func TestSameSIDsEveryTime(t *testing.T) {
	one, two := start(t), start(t)
	for i, e := range one.tree.entries {
		if other := two.tree.entries[i]; e.dn != other.dn || e.sid != other.sid {
			t.Errorf("got %s %v, want %s %v", other.dn, other.sid, e.dn, e.sid)
		}
	}
	other := start(t, func(c *Config) { c.DNSDomain = "example.org" })
	if other.tree.domainSID == one.tree.domainSID {
		t.Error("two domains have the same SID")
	}
}

func TestConnectionCap(t *testing.T) {
	s := start(t, func(c *Config) { c.MaxConns = 1 })
	bound(t, s)
	if c, err := ldap.DialURL(s.LDAPS(), ldap.DialWithTLSConfig(trust(s))); err == nil {
		_ = c.Close()
		t.Error("a second connection was served")
	}
}

func TestIdle(t *testing.T) {
	s := start(t, func(c *Config) { c.Idle = 20 * time.Millisecond })
	c := dial(t, s)
	for range 200 {
		if c.IsClosing() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("an idle connection is kept")
}

func TestCloseEndsSlowBind(t *testing.T) {
	s := start(t, func(c *Config) { c.Slow = time.Hour })
	c := dial(t, s)
	done := make(chan error)
	go func() { done <- c.Bind(`EXAMPLE\slow`, "Secr3t-slow") }()
	time.Sleep(20 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("the bind succeeded")
	}
}

// A site on this machine gets a certificate of the directory's authority, and a key of its own.
func TestSitePEM(t *testing.T) {
	s := start(t)
	certificate, key, err := s.SitePEM(net.ParseIP("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.CA())
	for _, name := range []string{"127.0.0.1", "localhost"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.certs.server.Leaf.Equal(pair.Leaf) || pair.Leaf.IsCA {
		t.Error("got the directory's own certificate, or an authority's")
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := Start(Demo())
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}
