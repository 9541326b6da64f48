package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// Extended Protection for Authentication, threats B-13 and C-11.

// showed is the certificate that a URL's server shows.
func showed(t *testing.T, url string, more func(*tls.Config)) *x509.Certificate {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}
	if more != nil {
		more(config)
	}
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(nc, config)
	defer c.Close()
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState().PeerCertificates[0]
}

// boundTo makes a request that is bound to a certificate.
func boundTo(f *krbforge.Forge, certificate *x509.Certificate) *krbforge.Forge {
	sum := ntlm.EndPointBinding(certificate)
	copy(f.Sent.Cksum.Checksum[4:20], sum[:])
	return f
}

// protectedSite is a site of tickets of the test's own with more words for the door.
func protectedSite(t *testing.T, words string) *site {
	t.Helper()
	return start(t, protectedConfig(t, openLDAP(t), words))
}

func protectedConfig(t *testing.T, server *slapd.Server, words string) siteConfig {
	t.Helper()
	return siteConfig{
		Servers: server.LDAPS, CA: server.CA,
		LDAP: serviceWords + "\ndns_domain example.org\nbase_dn ou=people," + slapd.Base + "\nverify bind\nverify keytab " + forgedKeytab(t),
		Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n" + words + "\n\t}\n\trespond \"{http.auth.user.id}|\"\n",
	}
}

// wantProtection sends a request and looks at what became of it: whether somebody is
// let in, and else that the log says why and names both bindings or what is missing.
func (s *site) wantProtection(t *testing.T, got *http.Response, in bool, cause string) {
	t.Helper()
	switch body := bodyOf(t, got); {
	case in && (got.StatusCode != 200 || body != "anna|"):
		t.Errorf("got %d %s, %s %s, want anna", got.StatusCode, body, s.reason(t), s.refusal(t).text("error"))
	case !in && (got.StatusCode != 401 || s.reason(t) != "epa" || s.refusal(t).text("level") != "warn" || s.hint(t) == ""):
		t.Errorf("got %d %s, reason %s, want 401, epa, WARN and a hint", got.StatusCode, body, s.reason(t))
	case !in && !regexp.MustCompile(cause).MatchString(s.refusal(t).text("error")):
		t.Errorf("the log has %q, want %s", s.refusal(t).text("error"), cause)
	}
}

// TestForgedBindings: what tickets are held to, by the words, over each version of
// HTTP, and without TLS.
func TestForgedBindings(t *testing.T) {
	const both = "bound to [0-9a-f]{32}, and this connection to [0-9a-f]{32}"
	other := &x509.Certificate{Raw: []byte("of a server in between")}
	offloader := &x509.Certificate{Raw: []byte("of a TLS proxy"), SignatureAlgorithm: x509.SHA256WithRSA}
	accept := fmt.Sprintf("accept_binding %x", ntlm.EndPointBinding(offloader))
	type try struct {
		bound *x509.Certificate // nil for the site's own
		none  bool
		plain bool
		cause string // of a refusal, "" for success
	}
	for words, tries := range map[string]map[string]try{
		"": {
			"bound": {}, "not bound": {none: true}, "elsewhere": {bound: other, cause: both}, "plain, elsewhere": {bound: other, plain: true},
		},
		"extended_protection require": {
			"bound": {}, "not bound": {none: true, cause: "names no channel"}, "elsewhere": {bound: other, cause: both},
			"plain": {plain: true, none: true, cause: "nothing is known"},
		},
		"extended_protection off": {"elsewhere": {bound: other}, "not bound": {none: true}},
		"extended_protection require\n" + accept: {
			"bound": {}, "the proxy's": {bound: offloader}, "plain, the proxy's": {bound: offloader, plain: true},
			"plain, elsewhere": {bound: other, plain: true, cause: both}, "plain, not bound": {none: true, plain: true, cause: "names no channel"},
		},
		"extended_protection require\naccept_target localhost www.example.com": {
			"plain": {plain: true, none: true}, "not bound": {none: true, cause: "names no channel"},
		},
		"accept_target www.example.com": {"plain, another host": {plain: true, none: true, cause: "the client means \"HTTP/localhost\""}, "bound": {}},
	} {
		t.Run(words, func(t *testing.T) {
			s := protectedSite(t, words)
			own := showed(t, s.HTTPS, nil)
			for name, c := range tries {
				for _, version := range []int{1, 2, 3} {
					f := forge("anna")
					switch {
					case c.bound != nil:
						boundTo(f, c.bound)
					case !c.none:
						boundTo(f, own)
					}
					url := s.HTTPS
					if c.plain {
						url = s.HTTP
					}
					got := presentBy(t, speaks(t, version), url+"/", f.Token(t))
					s.wantProtection(t, got, c.cause == "", c.cause)
					if t.Failed() {
						t.Fatalf("%s, HTTP/%d", name, version)
					}
					if c.plain {
						break
					}
				}
			}
		})
	}
}

// TestBindingAfterRenewal: a certificate is renewed under an open connection. Who is
// bound to the former one comes in, as a client does whose TLS session began before;
// one that was never shown opens nothing.
func TestBindingAfterRenewal(t *testing.T) {
	config := protectedConfig(t, openLDAP(t), "extended_protection require")
	s, caddyfile := write(t, config)
	load(t, caddyfile)
	former := showed(t, s.HTTPS, nil)
	client := speaks(t, 1)
	s.wantProtection(t, presentBy(t, client, s.HTTPS+"/", boundTo(forge("anna"), former).Token(t)), true, "")

	cert, key := certificate(t, t.TempDir())
	words := regexp.MustCompile(`(?m)^\ttls .*$`)
	load(t, words.ReplaceAll(caddyfile, []byte("\ttls "+cert+" "+key)))
	next := showed(t, s.HTTPS, nil)
	if next.Equal(former) {
		t.Fatal("the site shows the former certificate: this proves nothing")
	}
	for name, c := range map[string]struct {
		bound *x509.Certificate
		in    bool
	}{
		"the next one":   {next, true},
		"the former one": {former, true},
		"another":        {&x509.Certificate{Raw: []byte("never shown")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				s.wantProtection(t, present(t, s.HTTPS+"/", boundTo(forge("anna"), c.bound).Token(t)), c.in, "bound to")
			}
		})
	}
}

// TestBindingByKindOfKey: a site with a certificate of ECDSA and one of RSA, asked by
// clients that take one of them alone, with and without a server name.
func TestBindingByKindOfKey(t *testing.T) {
	config := protectedConfig(t, openLDAP(t), "extended_protection require")
	s, caddyfile := write(t, config)
	cert, key := rsaCertificate(t, t.TempDir())
	load(t, []byte(strings.Replace(string(caddyfile), "\ttls /", "\ttls "+cert+" "+key+"\n\ttls /", 1)))
	kinds := make(map[x509.PublicKeyAlgorithm]bool)
	for name, suite := range map[string]uint16{"ECDSA": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "RSA": tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256} {
		for _, server := range []string{"localhost", ""} {
			t.Run(name+" "+server, func(t *testing.T) {
				only := func(c *tls.Config) {
					c.MaxVersion, c.CipherSuites, c.ServerName = tls.VersionTLS12, []uint16{suite}, server
				}
				own := showed(t, s.HTTPS, only)
				kinds[own.PublicKeyAlgorithm] = true
				transport := &http.Transport{DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					config := &tls.Config{InsecureSkipVerify: true}
					only(config)
					nc, err := net.Dial(network, address)
					if err != nil {
						return nil, err
					}
					return tls.Client(nc, config), nil
				}}
				defer transport.CloseIdleConnections()
				s.wantProtection(t, presentBy(t, &http.Client{Transport: transport}, s.HTTPS+"/", boundTo(forge("anna"), own).Token(t)), true, "")
			})
		}
	}
	if len(kinds) != 2 {
		t.Errorf("got certificates of %v, want both kinds of key", kinds)
	}
}

// TestClientsAreBound: MIT's library with the bindings that it is given, and Chromium
// by NTLM, name the connection and get in where that is required; curl, and Chromium's
// tickets on Linux, name none.
func TestClientsAreBound(t *testing.T) {
	body := strings.Replace(whoami, "insecure_basic", "insecure_basic\n\t\textended_protection require", 1)
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: body})
	env := ticketsOf(t, "alice", "")
	for _, c := range []struct {
		mech   string
		status string
	}{{"bound", "200"}, {"spnego", "401"}, {"krb5", "401"}} {
		if got := initiator(t, env, s.HTTPS+"/", c.mech); len(got) < 3 || got[0] != c.status || c.status == "200" && got[2] != "mutual" || c.status == "401" && s.reason(t) != "epa" {
			t.Errorf("MIT, %s: got %v, reason %s, want %s", c.mech, got, s.reason(t), c.status)
		}
	}
	t.Run("curl, ticket", func(t *testing.T) {
		if status, body, _ := curlWith(t, env, s.HTTPS+"/"); status != 401 || s.reason(t) != "epa" {
			t.Errorf("got %d %s, reason %s, want 401 and epa", status, body, s.reason(t))
		}
	})
	ntlmSite := start(t, siteConfig{Body: body})
	t.Run("Chromium, NTLM", func(t *testing.T) {
		status, text := visit(t, browser(t, `EXAMPLE\alice`, "Secr3t-alice", 2), ntlmSite.HTTPS+"/")
		if want := who(t, "alice", "ntlm", "relay"); status != 200 || text != want {
			t.Errorf("got %d %s, want %s; reason %s %s", status, text, want, ntlmSite.reason(t), ntlmSite.refusal(t).text("error"))
		}
	})
	t.Run("curl, NTLM", func(t *testing.T) {
		got := curl(t, "-k", "--http1.1", "--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`, ntlmSite.HTTPS+"/")
		if got.Status != 401 || ntlmSite.reason(t) != "epa" {
			t.Errorf("got %d, reason %s, want 401 and epa", got.Status, ntlmSite.reason(t))
		}
	})
}

// ticketBrowser is a headless Chromium with somebody's tickets. It looks for the
// machine's Kerberos only where a former run has met Negotiate.
func ticketBrowser(t *testing.T, env []string) context.Context {
	t.Helper()
	profile := t.TempDir()
	state := []byte(`{"net": {"received_http_auth_negotiate_headers": true}}`)
	if err := os.WriteFile(filepath.Join(profile, "Local State"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	return launch(t, profile, chromedp.Env(env...), chromedp.Flag("auth-server-allowlist", "localhost"))
}
