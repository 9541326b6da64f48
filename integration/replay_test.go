package integration

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// tokenOf is a token of somebody's tickets that nobody has sent yet.
func tokenOf(t *testing.T, env []string) string {
	t.Helper()
	c := exec.Command("/usr/bin/python3", "testdata/ticket.py", "localhost")
	c.Env = env
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; integration/deps installs python3-gssapi\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// sendToken is a request with a token on a connection of its own.
func sendToken(t *testing.T, url, token string) *http.Response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, _ := http.NewRequest(http.MethodGet, url, nil)
	request.Header.Set("Authorization", "Negotiate "+token)
	response, err := client.Do(request)
	if err != nil {
		t.Error(err)
		return &http.Response{Header: http.Header{}}
	}
	response.Body.Close()
	return response
}

// TestReplayedTicket: threats C-02. Of 64 requests with one token at once one is let
// in; later, at another site of the same keytab and after a reload none is.
func TestReplayedTicket(t *testing.T) {
	other := fmt.Sprintf("localhost:%d", freePort(t))
	site := siteConfig{
		LDAP: kerberosWords(), Body: whoami,
		Global: "\tldap TWIN {\n\t\tserver " + domain.LDAPS(1) + "\n\t\ttls {\n\t\t\ttrust_pool file " + domain.CA() + "\n\t\t}\n\t\tdomain EXAMPLE\n\t\tservice_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password + "\n\t\tverify keytab " + domain.HTTPKeytab() + "\n\t}\n",
		Extra:  "http://" + other + " {\n\tbind 127.0.0.1\n\twindows_auth TWIN\n\trespond in\n}\n",
	}
	s := start(t, site)
	url := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1) + "/"
	env := ticketsOf(t, "alice", "")
	token := tokenOf(t, env)
	var all sync.WaitGroup
	var in, out atomic.Int32
	for range 64 {
		all.Go(func() {
			switch response := sendToken(t, url, token); {
			case response.StatusCode == 200:
				in.Add(1)
			case response.StatusCode == 401 && response.Header.Get("WWW-Authenticate") == "Negotiate":
				out.Add(1)
			default:
				t.Errorf("got %d %v", response.StatusCode, response.Header)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || out.Load() != 63 || s.reason(t) != "replay" {
		t.Errorf("got %d let in and %d refused, reason %s; want 1, 63 and replay", in.Load(), out.Load(), s.reason(t))
	}
	refused := func(when, url string) {
		if got := sendToken(t, url, token); got.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401", when, got.StatusCode)
		}
	}
	refused("again", url)
	refused("at another site", "http://"+other+"/")
	again := start(t, site) // the configuration is loaded anew, with the addresses of now
	refused("after a reload", strings.Replace(again.HTTP, "127.0.0.1", "localhost", 1)+"/")
	if got := sendToken(t, strings.Replace(again.HTTP, "127.0.0.1", "localhost", 1)+"/", tokenOf(t, env)); got.StatusCode != 200 {
		t.Errorf("a new one after a reload: got %d", got.StatusCode)
	}
}

// TestTokensThatAreNone: tokens that made a library panic, and their like, are a 401.
func TestTokensThatAreNone(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: whoami})
	good, err := base64.StdEncoding.DecodeString(tokenOf(t, ticketsOf(t, "alice", "")))
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, value byte) string {
		other := append([]byte(nil), good...)
		other[at] = value
		return base64.StdEncoding.EncodeToString(other)
	}
	for name, token := range map[string]string{
		"no mechanisms":         "YBAGBisGAQUFAqAGMASgAjAA",
		"an empty list":         "YA4GBisGAQUFAqAEMAKgAA==",
		"NegoEx alone":          "YBwGBisGAQUFAqASMBCgDjAMBgorBgEEAYI3AgIe",
		"half of it":            base64.StdEncoding.EncodeToString(good[:len(good)/2]),
		"a byte less":           base64.StdEncoding.EncodeToString(good[:len(good)-1]),
		"a byte more":           base64.StdEncoding.EncodeToString(append(append([]byte(nil), good...), 0)),
		"another last byte":     changed(len(good)-1, good[len(good)-1]^1),
		"another in the middle": changed(len(good)/2, good[len(good)/2]^0x40),
		"no AP-REQ":             base64.StdEncoding.EncodeToString([]byte("\x60\x0f\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00\x6e\x00")),
	} {
		got := sendToken(t, s.HTTP+"/", token)
		if lines := got.Header.Values("WWW-Authenticate"); got.StatusCode != 401 || len(lines) != 2 || lines[0] != "Negotiate" {
			t.Errorf("%s: got %d %q, reason %s; want 401 with the challenges of the beginning", name, got.StatusCode, lines, s.reason(t))
		}
	}
}

// TestKeytabChanges: threats C-10. The file is read again when it changes: without
// the domain's key tickets are told 503 and nobody is asked for a password; with it
// they are good again, without a reload.
func TestKeytabChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "http.keytab")
	put := func(from string) {
		t.Helper()
		raw, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(file, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(domain.HTTPKeytab())
	s := start(t, siteConfig{LDAP: strings.Replace(kerberosWords(), domain.HTTPKeytab(), file, 1), Body: whoami})
	url, env := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1)+"/", ticketsOf(t, "alice", "")
	await := func(what string, status int) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			got := sendToken(t, url, tokenOf(t, env))
			if got.StatusCode == status && (status == 200 || s.reason(t) == "keytab" && s.hint(t) != "" && got.Header.Get("WWW-Authenticate") == "") {
				return
			}
			if time.Since(began) > 5*time.Second {
				t.Fatalf("%s: got %d, reason %s, want %d", what, got.StatusCode, s.reason(t), status)
			}
		}
	}
	await("the domain's", 200)
	put(keytabOf(t, "HTTP/localhost@"+domain.Realm, "of another day", "77"))
	await("another version", 503)
	put(domain.HTTPKeytab())
	await("the domain's again", 200)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	await("none", 503)
}

// TestTicketOfRC4: threats C-04. It is refused, and taken by word.
func TestTicketOfRC4(t *testing.T) {
	env := ticketsOf(t, "alice", "")
	c := exec.Command("/usr/bin/python3", "testdata/ticket.py", "rc4.example.test")
	c.Env = env
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for word, want := range map[string]int{"": 401, "\nallow_rc4": 200} {
		s := start(t, siteConfig{LDAP: strings.Replace(kerberosWords(), domain.HTTPKeytab(), domain.RC4Keytab()+" {\nspn HTTP/rc4.example.test"+word+"\n}", 1), Body: whoami})
		if got := sendToken(t, s.HTTP+"/", strings.TrimSpace(string(out))); got.StatusCode != want || want == 401 && s.reason(t) != "etype" {
			t.Errorf("%q: got %d, reason %s, want %d", word, got.StatusCode, s.reason(t), want)
		}
	}
}
