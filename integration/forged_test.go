package integration

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	krb "github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krbforge"
)

// Requests of a KDC and a client that lie, at a running site over a real slapd. The
// keys are the test's own: no KDC would make most of these tickets.

const (
	aes128SHA1, aes256SHA1, aes128SHA2, aes256SHA2, rc4 = 17, 18, 19, 20, 23 // RFC 3961 8

	forgedRealm, forgedService = "EXAMPLE.ORG", "HTTP/localhost"
)

// forgedKey is the service's key of an enctype.
func forgedKey(etype int32) types.EncryptionKey { return krbforge.Key(etype, 0x11) }

// forgedKeytab writes the keys of the service, version 3.
func forgedKeytab(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "http.keytab")
	raw := krbforge.Keytab(forgedRealm, forgedService, 3, forgedKey(aes128SHA1), forgedKey(aes256SHA1), forgedKey(aes128SHA2), forgedKey(aes256SHA2), forgedKey(rc4))
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// forge makes good requests of somebody's, each another one.
func forge(client string) *krbforge.Forge {
	forged++
	f := krbforge.New(time.Now(), forgedKey(aes256SHA1), forgedRealm, forgedService, client)
	f.Sent.Cusec = forged
	return f
}

var forged int // how many were made

// forgedSite is a site whose tickets are the test's; words are more of the keytab's.
func forgedSite(t *testing.T, server *slapd.Server, keytab, words string) *site {
	t.Helper()
	return forgedSiteOf(t, "example.org", server, keytab, words)
}

// forgedSiteOf is one of a domain.
func forgedSiteOf(t *testing.T, dns string, server *slapd.Server, keytab, words string) *site {
	t.Helper()
	if words != "" {
		words = " {\n" + words + "\n}"
	}
	return people(t, server, serviceWords+"\ndns_domain "+dns+"\nbase_dn ou=people,"+slapd.Base+" ou=partners,"+slapd.Base+"\nverify keytab "+keytab+words, "")
}

// present sends a token on a connection of its own, and gives the answer with its
// body read.
func present(t *testing.T, url string, token []byte) *http.Response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 20 * time.Second}
	return presentBy(t, client, url, token)
}

// presentBy sends a token, or none, by a client.
func presentBy(t *testing.T, client *http.Client, url string, token []byte) *http.Response {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != nil {
		request.Header.Set("Authorization", "Negotiate "+base64.StdEncoding.EncodeToString(token))
	}
	response, err := client.Do(request)
	if err != nil && strings.Contains(err.Error(), "larger than peer's advertised limit") {
		// Go's client has read the server's SETTINGS already, and refuses by
		// them in the server's place, RFC 9113 10.5.1.
		return &http.Response{StatusCode: http.StatusRequestHeaderFieldsTooLarge, Header: http.Header{}, Body: http.NoBody}
	}
	if err != nil {
		t.Errorf("%.80s: %v", url, err)
		return &http.Response{Header: http.Header{}, Body: http.NoBody}
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		t.Errorf("reading the answer: %v", err)
	}
	response.Body = readAgain{&body}
	return response
}

type readAgain struct{ *bytes.Buffer }

func (readAgain) Close() error { return nil }

// forgery is a request that is good but for one change, and what becomes of it.
type forgery struct {
	change func(*testing.T, *krbforge.Forge)
	status int
	reason string
	apache int // what mod_auth_gssapi answers
}

func named(names ...string) types.PrincipalName {
	return types.PrincipalName{NameType: 1, NameString: names}
}

// forgeries are threats C-01 to C-10, each alone.
var forgeries = map[string]forgery{
	"nothing":                         {func(*testing.T, *krbforge.Forge) {}, 200, "", 200},
	"aes128-sha1":                     {of(aes128SHA1), 200, "", 200},
	"aes128-sha2":                     {of(aes128SHA2), 200, "", 200},
	"aes256-sha2":                     {of(aes256SHA2), 200, "", 200},
	"C-01 another name":               {func(_ *testing.T, f *krbforge.Forge) { f.Sent.CName = named("paul") }, 401, "identity_mismatch", 401},
	"C-01 a longer name":              {func(_ *testing.T, f *krbforge.Forge) { f.Sent.CName = named("anna", "admin") }, 401, "identity_mismatch", 401},
	"C-01 another realm":              {func(_ *testing.T, f *krbforge.Forge) { f.Sent.CRealm = "OTHER.ORG" }, 401, "identity_mismatch", 401},
	"C-01 a name with a realm inside": {both("paul@EXAMPLE.ORG"), 401, "bad_token", 200},
	"C-01 a name with a slash inside": {both("anna/admin"), 401, "bad_token", 200},
	"two components":                  {both("anna", "admin"), 403, "not_found", 200},
	"nobody in particular":            {both("WELLKNOWN", "ANONYMOUS"), 401, "bad_token", 200},
	"a restriction that is not known": {func(_ *testing.T, f *krbforge.Forge) {
		f.Part.AuthorizationData = types.AuthorizationData{{ADType: 9999, ADData: []byte("x")}}
	}, 401, "bad_token", 200},
	"a name that is a filter":      {both("ann*"), 403, "not_found", 200},
	"a name of control characters": {both("an\nna"), 401, "bad_name", 200},
	"C-03 a clock behind":          {clock(-6 * time.Minute), 401, "skew", 401},
	"C-03 a clock ahead":           {clock(6 * time.Minute), 401, "skew", 401},
	"C-03 a clock just behind":     {clock(-4 * time.Minute), 200, "", 200},
	"C-03 a clock just ahead":      {clock(4 * time.Minute), 200, "", 200},
	"C-03 an ended ticket":         {func(_ *testing.T, f *krbforge.Forge) { f.Part.EndTime = time.Now().Add(-6 * time.Minute) }, 401, "ticket_expired", 401},
	"C-03 a ticket of tomorrow":    {func(_ *testing.T, f *krbforge.Forge) { f.Part.StartTime = time.Now().Add(6 * time.Minute) }, 401, "ticket_expired", 401},
	"C-03 an invalid ticket":       {func(_ *testing.T, f *krbforge.Forge) { f.Part.Flags.Bytes[0] |= 0x01 }, 401, "ticket_expired", 401},
	"C-04 a ticket of RC4":         {func(_ *testing.T, f *krbforge.Forge) { f.Long = forgedKey(rc4) }, 401, "etype", 200},
	"C-04 a session key of RC4":    {func(_ *testing.T, f *krbforge.Forge) { f.Part.Key = krbforge.Key(rc4, 0x55) }, 401, "etype", 200},
	"C-04 a ticket of DES": {func(_ *testing.T, f *krbforge.Forge) {
		f.Ticket = func(t *krb.Ticket) { t.EncPart.EType = 3 }
	}, 401, "etype", 401},
	"C-05 two PACs": {func(t *testing.T, f *krbforge.Forge) {
		f.PAC(t, krbforge.Signed(t, f.Long, f.ClientInfo()), krbforge.Signed(t, f.Long, f.ClientInfo()))
	}, 401, "pac", 200},
	"C-05 a PAC of noise": {func(t *testing.T, f *krbforge.Forge) { f.PAC(t, bytes.Repeat([]byte{0xa5}, 400)) }, 401, "pac", 401},
	"C-05 a PAC of another's": {func(t *testing.T, f *krbforge.Forge) {
		raw, err := os.ReadFile("../internal/pac/testdata/alice.pac")
		if err != nil {
			t.Fatal(err)
		}
		f.PAC(t, raw)
	}, 401, "pac", 200},
	"C-05 a cut PAC": {func(t *testing.T, f *krbforge.Forge) {
		pac := krbforge.Signed(t, f.Long, f.ClientInfo())
		f.PAC(t, pac[:len(pac)-8])
	}, 401, "pac", 401},
	"C-05 a PAC of 2^32-1 buffers":             {lengths(0, 0xffffffff), 401, "pac", 401},
	"C-05 a PAC with a buffer of 2^32-1 bytes": {lengths(12, 0xffffffff), 401, "pac", 401},
	"C-05 a PAC with a buffer beyond its end":  {lengths(16, 1<<40), 401, "pac", 401},
	"C-05 a signed PAC":                        {func(t *testing.T, f *krbforge.Forge) { f.PAC(t, krbforge.Signed(t, f.Long, f.ClientInfo())) }, 200, "", 200},
	"C-05 a changed PAC": {func(t *testing.T, f *krbforge.Forge) {
		pac := krbforge.Signed(t, f.Long, f.ClientInfo(), krbforge.Buffer{Kind: 99, Data: []byte("a buffer")})
		pac[bytes.Index(pac, []byte("a buffer"))] ^= 1
		f.PAC(t, pac)
	}, 401, "pac", 200},
	"C-05 a PAC that the client has signed": {func(t *testing.T, f *krbforge.Forge) { f.PAC(t, krbforge.Signed(t, f.Part.Key, f.ClientInfo())) }, 401, "pac", 200},
	"C-05 a PAC of another ticket": {func(t *testing.T, f *krbforge.Forge) {
		f.PAC(t, krbforge.Signed(t, f.Long, krbforge.ClientInfo("paul", f.Part.AuthTime)))
	}, 401, "pac", 200},
	"C-05 a PAC of an older ticket": {func(t *testing.T, f *krbforge.Forge) {
		f.PAC(t, krbforge.Signed(t, f.Long, krbforge.ClientInfo("anna", f.Part.AuthTime.Add(-time.Hour))))
	}, 401, "pac", 200},
	"C-06 by delegation": {func(t *testing.T, f *krbforge.Forge) {
		f.PAC(t, krbforge.Signed(t, f.Long, f.ClientInfo(), krbforge.Delegation(forgedService, "HTTP/app@EXAMPLE.ORG", "HTTP/gate@EXAMPLE.ORG")))
	}, 200, "", 200},
	"C-07 a client of another realm":  {func(_ *testing.T, f *krbforge.Forge) { f.Part.CRealm, f.Sent.CRealm = "OTHER.ORG", "OTHER.ORG" }, 403, "realm", 200},
	"C-08 a ticket for cifs":          {func(_ *testing.T, f *krbforge.Forge) { f.Service = "cifs/localhost" }, 401, "sname", 200},
	"C-08 a ticket for the host":      {func(_ *testing.T, f *krbforge.Forge) { f.Service = "host/localhost" }, 401, "sname", 200},
	"C-08 a service of another realm": {func(_ *testing.T, f *krbforge.Forge) { f.Realm = "OTHER.ORG" }, 401, "sname", 200},
	"C-08 user to user":               {func(_ *testing.T, f *krbforge.Forge) { f.Options = []byte{0x40, 0, 0, 0} }, 401, "sname", 200},
	"C-09 an address of elsewhere": {func(_ *testing.T, f *krbforge.Forge) {
		f.Part.CAddr = types.HostAddresses{{AddrType: 2, Address: []byte{192, 0, 2, 1}}}
	}, 200, "", 200},
	"C-10 a key that is gone":  {func(_ *testing.T, f *krbforge.Forge) { f.Long, f.Version = krbforge.Key(aes256SHA1, 0x12), 4 }, 503, "keytab", 401},
	"a key of somebody else's": {func(_ *testing.T, f *krbforge.Forge) { f.Long = krbforge.Key(aes256SHA1, 0x12) }, 401, "bad_token", 401},
	"another session key": {func(_ *testing.T, f *krbforge.Forge) {
		f.Request = func(r *krb.APReq) { r.EncryptedAuthenticator.Cipher[30] ^= 1 }
	}, 401, "bad_token", 401},
	"no checksum": {func(_ *testing.T, f *krbforge.Forge) { f.Sent.Cksum = types.Checksum{} }, 401, "bad_token", 200},
}

// lengths writes a number into the head of a PAC after it was signed, [MS-PAC] 2.3: of
// buffers, or of the first one's length or place.
func lengths(at int, number uint64) func(*testing.T, *krbforge.Forge) {
	return func(t *testing.T, f *krbforge.Forge) {
		pac := krbforge.Signed(t, f.Long, f.ClientInfo())
		if number > 1<<32 {
			binary.LittleEndian.PutUint64(pac[at:], number)
		} else {
			binary.LittleEndian.PutUint32(pac[at:], uint32(number))
		}
		f.PAC(t, pac)
	}
}

func of(etype int32) func(*testing.T, *krbforge.Forge) {
	return func(_ *testing.T, f *krbforge.Forge) {
		f.Long, f.Part.Key = forgedKey(etype), krbforge.Key(etype, 0x55)
	}
}

func both(names ...string) func(*testing.T, *krbforge.Forge) {
	return func(_ *testing.T, f *krbforge.Forge) { f.Part.CName, f.Sent.CName = named(names...), named(names...) }
}

func clock(off time.Duration) func(*testing.T, *krbforge.Forge) {
	return func(_ *testing.T, f *krbforge.Forge) { f.Sent.CTime = f.Sent.CTime.Add(off) }
}

// tellsUser has Apache say in X-User whom it lets in.
const tellsUser = "LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so\nHeader set X-User \"expr=%{REMOTE_USER}\""

// TestForgedTickets: threats C-01, C-03 to C-05 and C-07 to C-10 at a running site.
// Each lie alone is refused with its reason and no token to go on with. That the
// request is good without it says Apache's mod_auth_gssapi, with the same keytab.
func TestForgedTickets(t *testing.T) {
	keytab := forgedKeytab(t)
	s := forgedSite(t, openLDAP(t), keytab, "")
	raw, err := os.ReadFile(keytab)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	servers.Apache(t, address, forgedRealm, raw, tellsUser)
	for name, c := range forgeries {
		t.Run(name, func(t *testing.T) {
			f := forge("anna")
			c.change(t, f)
			token := f.Token(t)
			got := present(t, s.HTTP+"/", token)
			s.wantForged(t, got, c)
			if strings.HasPrefix(name, "C-06") {
				s.wantTransited(t)
			}
			theirs := present(t, "http://"+address+"/index.html", token)
			if theirs.StatusCode != c.apache || c.apache == 200 && theirs.Header.Get("X-User") == "" {
				t.Errorf("Apache: got %d %q, want %d", theirs.StatusCode, theirs.Header.Get("X-User"), c.apache)
			}
		})
	}
	if log := s.logText(t); strings.Contains(log, "panic") || strings.Contains(log, "YII") {
		t.Error("a panic or a token stands in the log")
	}
}

// wantForged checks an answer to a forgery.
func (s *site) wantForged(t *testing.T, got *http.Response, c forgery) {
	t.Helper()
	body, lines := bodyOf(t, got), got.Header.Values("WWW-Authenticate")
	if got.StatusCode != c.status || c.status != 200 && s.reason(t) != c.reason {
		t.Errorf("got %d %s, reason %s, want %d %s", got.StatusCode, body, s.reason(t), c.status, c.reason)
		return
	}
	switch c.status {
	case 200:
		if !strings.HasPrefix(body, "anna|uid=anna,ou=people,"+slapd.Base+"|") || len(lines) != 1 || !strings.HasPrefix(lines[0], "Negotiate ") {
			t.Errorf("got %s and %q, want anna and the server's proof", body, lines)
		}
	case 401:
		if len(lines) != 2 || lines[0] != "Negotiate" || !strings.HasPrefix(lines[1], "Basic ") || got.Header.Get("Date") == "" {
			t.Errorf("got %q, want the challenges of the beginning, and the time", lines)
		}
	case 503:
		if len(lines) > 0 || got.Header.Get("Retry-After") == "" || s.hint(t) == "" {
			t.Errorf("got %q, hint %q, want Retry-After, no challenge and the cure", lines, s.hint(t))
		}
	default:
		if len(lines) > 0 {
			t.Errorf("got %q, want no challenge", lines)
		}
	}
	if c.reason == "skew" { // both clocks
		line := s.refusal(t).text("error")
		if n := strings.Count(line, fmt.Sprint(time.Now().Year(), "-")); n != 2 {
			t.Errorf("the log has %q, want both times", line)
		}
	}
}

// wantTransited checks that the log names the services that came on somebody's
// behalf.
func (s *site) wantTransited(t *testing.T) {
	t.Helper()
	for _, line := range s.lines(t, "ldap") {
		if line["transited"] == nil {
			continue
		}
		got := fmt.Sprintln(line["transited"], line["target"], line["user"])
		if want := "[HTTP/app@EXAMPLE.ORG HTTP/gate@EXAMPLE.ORG] HTTP/localhost anna@EXAMPLE.ORG\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		return
	}
	t.Error("the log names no services")
}
