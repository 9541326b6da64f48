package integration

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	krb "github.com/jcmturner/gokrb5/v8/messages"
	"github.com/quic-go/quic-go/http3"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
)

// speaks is a client of one version of HTTP, on one connection for all its
// requests, with HTTP/2 and HTTP/3 for those at once too.
func speaks(t *testing.T, version int) *http.Client {
	t.Helper()
	insecure := &tls.Config{InsecureSkipVerify: true}
	if version == 3 {
		h3 := &http3.Transport{TLSClientConfig: insecure}
		t.Cleanup(func() { h3.Close() })
		return &http.Client{Transport: h3, Timeout: 30 * time.Second}
	}
	transport := &http.Transport{TLSClientConfig: insecure, ForceAttemptHTTP2: version == 2, MaxConnsPerHost: 1}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// TestForgedTicketsByWord: threats C-04, C-07 and C-08, with what the words of the
// keytab let in besides and keep out.
func TestForgedTicketsByWord(t *testing.T) {
	keytab, server := forgedKeytab(t), openLDAP(t)
	rc4Ticket := func(_ *testing.T, f *krbforge.Forge) { f.Long, f.Part.Key = forgedKey(rc4), krbforge.Key(rc4, 0x55) }
	stranger := func(_ *testing.T, f *krbforge.Forge) { f.Part.CRealm, f.Sent.CRealm = "OTHER.ORG", "OTHER.ORG" }
	for _, c := range []struct {
		name, dns, words string
		forgery
	}{
		{"C-04 RC4", "example.org", "allow_rc4", forgery{change: rc4Ticket, status: 200}},
		{"C-04 DES", "example.org", "allow_rc4", forgery{change: forgeries["C-04 a ticket of DES"].change, status: 401, reason: "etype"}},
		{"C-07 the own realm, and another is listed", "example.org", "realms OTHER.ORG", forgery{change: forgeries["nothing"].change, status: 403, reason: "realm"}},
		{"C-07 a listed realm", "other.org", "realms OTHER.ORG", forgery{change: stranger, status: 200}},
		{"C-07 by way of a realm that nobody checked", "other.org", "realms OTHER.ORG", forgery{change: func(t *testing.T, f *krbforge.Forge) {
			stranger(t, f)
			f.Part.Transited = krb.TransitedEncoding{TRType: 1, Contents: []byte("EVIL.ORG")}
		}, status: 403, reason: "realm"}},
		{"C-07 a name of ours in a listed realm", "example.org", "realms EXAMPLE.ORG OTHER.ORG", forgery{change: stranger, status: 403, reason: "realm"}},
		{"C-08 another host", "example.org", "spn HTTP/intranet.example.org", forgery{change: forgeries["nothing"].change, status: 401, reason: "sname"}},
		{"C-08 a listed host", "example.org", "spn HTTP/intranet.example.org HTTP/LOCALHOST", forgery{change: forgeries["nothing"].change, status: 200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := forgedSiteOf(t, c.dns, server, keytab, c.words)
			f := forge("anna")
			c.change(t, f)
			s.wantForged(t, present(t, s.HTTP+"/", f.Token(t)), c.forgery)
		})
	}
}

// TestForgedReplay: threats C-02. What stands beside the sealed authenticator makes no
// new request of it, nor does another version of HTTP, nor a clock at the edge of
// what is borne.
func TestForgedReplay(t *testing.T) {
	s := forgedSite(t, openLDAP(t), forgedKeytab(t), "")
	for name, off := range map[string]time.Duration{"now": 0, "a clock behind": -280 * time.Second, "a clock ahead": 280 * time.Second} {
		t.Run(name, func(t *testing.T) {
			f := forge("anna")
			f.Sent.CTime = f.Sent.CTime.Add(off)
			var first krb.APReq
			f.Request = func(r *krb.APReq) { first = *r }
			token := f.Token(t)
			s.wantForged(t, present(t, s.HTTP+"/", token), forgery{status: 200})
			f.Request = func(r *krb.APReq) {
				*r = first
				r.Ticket.SName.NameString, r.Ticket.SName.NameType = []string{"http", "LOCALHOST"}, 1
				r.APOptions.Bytes = []byte{0, 0, 0, 0}
			}
			for what, again := range map[string][]byte{"the same": token, "with another name of the service": f.Token(t)} {
				s.wantForged(t, present(t, s.HTTP+"/", again), forgery{status: 401, reason: "replay"})
				for _, version := range []int{2, 3} {
					if got := presentBy(t, speaks(t, version), s.HTTPS+"/", again); got.StatusCode != 401 || s.reason(t) != "replay" {
						t.Errorf("%s, HTTP/%d: got %d, reason %s", what, version, got.StatusCode, s.reason(t))
					}
				}
			}
		})
	}
}

// TestLongTickets: a token of 64 KiB, as of somebody in very many groups, comes in by
// each version of HTTP. A longer one is a 400, and a header over the server's limit
// a 431; by Go's HTTP/2 one far over it ends the connection.
func TestLongTickets(t *testing.T) {
	s := forgedSite(t, openLDAP(t), forgedKeytab(t), "")
	over := map[int]int{1: 160 << 10, 2: 96 << 10, 3: 96 << 10} // the server's limit, in base64
	for version, url := range map[int]string{1: s.HTTP, 2: s.HTTPS, 3: s.HTTPS} {
		for size, want := range map[int]int{16 << 10: 200, 48 << 10: 200, 64 << 10: 200, 64<<10 + 1: 400, 80 << 10: 400, over[version]: 431} {
			f := forge("anna")
			token := longToken(t, f, size)
			got := presentBy(t, speaks(t, version), url+"/", token)
			if got.StatusCode != want || got.StatusCode == 200 && !strings.HasPrefix(bodyOf(t, got), "anna|") {
				t.Errorf("HTTP/%d, %d bytes: got %d, reason %s, want %d", version, size, got.StatusCode, s.reason(t), want)
			}
		}
	}
}

// longToken is one of so many bytes.
func longToken(t *testing.T, f *krbforge.Forge, size int) []byte {
	t.Helper()
	stuff := size
	for range 8 { // until the lengths inside have found their own
		f.Stuff(t, stuff)
		token := f.Token(t)
		if len(token) == size {
			return token
		}
		stuff += size - len(token)
	}
	t.Fatalf("no token of %d bytes", size)
	return nil
}

// TestTicketsOfTwoOnOneConnection: of HTTP/2 and of HTTP/3. Each request is whose
// ticket it has, and without one nobody's, whoever came before or comes beside it.
func TestTicketsOfTwoOnOneConnection(t *testing.T) {
	s := forgedSite(t, openLDAP(t), forgedKeytab(t), "")
	for _, version := range []int{2, 3} {
		client := speaks(t, version)
		tokens := make(map[string][][]byte)
		for _, user := range []string{"anna", "paul", ""} {
			for range 20 {
				var token []byte
				if user != "" {
					token = forge(user).Token(t)
				}
				tokens[user] = append(tokens[user], token)
			}
		}
		var all sync.WaitGroup
		for user, own := range tokens {
			all.Go(func() {
				for _, token := range own {
					got := presentBy(t, client, s.HTTPS+"/", token)
					body := bodyOf(t, got)
					if got.ProtoMajor != version || user == "" && got.StatusCode != 401 || user != "" && (got.StatusCode != 200 || !strings.HasPrefix(body, user+"|")) {
						t.Errorf("HTTP/%d, %q: got %d %s by HTTP/%d", version, user, got.StatusCode, body, got.ProtoMajor)
					}
				}
			})
		}
		all.Wait()
	}
	if n := connectionsOf(s.decisions(t)); n != 2 {
		t.Errorf("got %d connections, want one of each version: this proves nothing", n)
	}
}

// connectionsOf counts the connections that lines of the log are of.
func connectionsOf(lines []entry) int {
	seen := make(map[string]bool)
	for _, line := range lines {
		seen[line.text("conn")] = true
	}
	return len(seen)
}

// TestTicketsThroughPooledConnections: threats A-02. nginx sends the requests of all
// clients over one connection. A ticket is one request's there, and nobody is taken
// for who came before.
func TestTicketsThroughPooledConnections(t *testing.T) {
	server, keytab := openLDAP(t), forgedKeytab(t)
	for name, c := range map[string]struct{ nginx, global string }{
		"shown by a header":        {"proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", ""},
		"shown by another header":  {"proxy_set_header X-Real-IP $remote_addr;", ""},
		"silent and trusted_proxy": {"", "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}"},
		"silent":                   {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{
				Servers: server.LDAPS, CA: server.CA, Global: c.global,
				LDAP: serviceWords + "\ndns_domain example.org\nbase_dn ou=people," + slapd.Base + " ou=partners," + slapd.Base + "\nverify bind\nverify keytab " + keytab,
				Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t}\n\trespond \"{http.auth.user.id}|\"\n",
			})
			url := nginx(t, s.HTTP, keepsConnections, c.nginx, "proxy_buffers 8 64k;") + "/"
			direct := speaks(t, 1)
			if got := presentBy(t, direct, s.HTTP+"/", forge("anna").Token(t)); got.StatusCode != 200 {
				t.Errorf("past nginx: got %d, reason %s", got.StatusCode, s.reason(t))
			}
			var all sync.WaitGroup
			for _, user := range []string{"anna", "paul", ""} {
				tokens := make([][]byte, 20)
				for i := range tokens {
					if user != "" {
						tokens[i] = forge(user).Token(t)
					}
				}
				all.Go(func() {
					for _, token := range tokens {
						got := present(t, url, token)
						if body := bodyOf(t, got); user == "" && got.StatusCode != 401 || user != "" && (got.StatusCode != 200 || body != user+"|") {
							t.Errorf("%q: got %d %s", user, got.StatusCode, body)
						}
					}
				})
			}
			all.Wait()
			users := make(map[string]map[string]bool) // by connection
			for _, line := range s.decisions(t) {
				if users[line.text("conn")] == nil {
					users[line.text("conn")] = make(map[string]bool)
				}
				users[line.text("conn")][line.text("user")] = true
			}
			shared := false
			for _, of := range users {
				shared = shared || len(of) > 1
			}
			if !shared {
				t.Errorf("nginx shared no connection among users: this proves nothing: %v", users)
			}
		})
	}
}

// TestKeytabThatCannotBeRead: threats C-10. The configuration does not load, and the
// error names the file.
func TestKeytabThatCannotBeRead(t *testing.T) {
	server, dir := openLDAP(t), t.TempDir()
	good, err := os.ReadFile(forgedKeytab(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"gone": nil, "folder": nil, "noise": []byte("no keytab"), "empty": {}, "cut": good[:len(good)-9]} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name)
			if name == "folder" {
				err = os.Mkdir(file, 0o700)
			} else if text != nil {
				err = os.WriteFile(file, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, caddyfile := write(t, siteConfig{
				Servers: server.LDAPS, CA: server.CA, LDAP: serviceWords + "\nverify keytab " + file, Body: "\twindows_auth EXAMPLE\n\trespond in\n",
			})
			config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile, map[string]any{"filename": "Caddyfile"})
			if err == nil {
				err = caddy.Load(config, true)
			}
			if err == nil || !strings.Contains(err.Error(), "keytab "+file) {
				t.Errorf("got %v, want an error that names %s", err, file)
			}
			if err == nil {
				t.Cleanup(func() { _ = caddy.Stop() })
			}
		})
	}
}

// TestKeytabIsRewritten: threats C-10. The domain sets a new key while the site runs:
// tickets of the new one are a 503 with the cure until the file has it, and within
// two seconds of that good, with no reload. Those of the former are then a 503, and a
// file that is cut or gone is one for all.
func TestKeytabIsRewritten(t *testing.T) {
	file := forgedKeytab(t)
	s := forgedSite(t, openLDAP(t), file, "")
	former := func() *krbforge.Forge { return forge("anna") }
	next := func() *krbforge.Forge {
		f := forge("anna")
		f.Long, f.Version = krbforge.Key(aes256SHA1, 0x12), 4
		return f
	}
	both := append(krbforge.Keytab(forgedRealm, forgedService, 3, forgedKey(aes256SHA1)), krbforge.Keytab(forgedRealm, forgedService, 4, krbforge.Key(aes256SHA1, 0x12))[2:]...)
	for _, step := range []struct {
		name         string
		file         []byte // nil to leave it, empty to take it away
		former, next int
	}{
		{"the former key", nil, 200, 503},
		{"both keys", both, 200, 200},
		{"the next key", krbforge.Keytab(forgedRealm, forgedService, 4, krbforge.Key(aes256SHA1, 0x12)), 503, 200},
		{"a cut file", both[:len(both)-3], 503, 503},
		{"both again", both, 200, 200},
		{"no file", []byte{}, 503, 503},
		{"the next key again", both, 200, 200},
	} {
		var err error
		switch {
		case step.file == nil:
		case len(step.file) == 0:
			err = os.Remove(file)
		default:
			err = os.WriteFile(file, step.file, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if step.file != nil {
			time.Sleep(1500 * time.Millisecond)
		}
		for what, c := range map[string]struct {
			f    *krbforge.Forge
			want int
		}{"former": {former(), step.former}, "next": {next(), step.next}} {
			got := present(t, s.HTTP+"/", c.f.Token(t))
			if got.StatusCode != c.want {
				t.Errorf("%s, a ticket of the %s: got %d, reason %s, want %d", step.name, what, got.StatusCode, s.reason(t), c.want)
				continue
			}
			s.wantForged(t, got, forgery{status: c.want, reason: map[int]string{503: "keytab"}[c.want]})
			if c.want == 503 && !strings.Contains(s.hint(t), file) {
				t.Errorf("%s: the hint %q does not name %s", step.name, s.hint(t), file)
			}
		}
	}
	if n := strings.Count(s.logText(t), `"reason":"keytab"`); n < 5 {
		t.Errorf("got %d refusals in the log, want 5 and more", n)
	}
}
