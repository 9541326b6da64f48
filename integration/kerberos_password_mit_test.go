package integration

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
	"github.com/caddy-ntlm/caddy-ntlm/internal/kdctest"
)

// failedPasswords is how many wrong ones MIT's KDC has counted of somebody.
func (r *mitRealm) failedPasswords(t *testing.T, who string) string {
	t.Helper()
	c := exec.Command("kadmin.local", "-r", "EXAMPLE.ORG", "-q", "getprinc "+who)
	c.Env = r.env
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, rest, _ := strings.Cut(string(out), "Failed password attempts: ")
	count, _, _ := strings.Cut(rest, "\n")
	return count
}

// TestKerberosPasswordOfMIT: features D3 at an MIT KDC, whose people a real slapd
// knows. It asks for preauthentication of those alone of whom it was told to, has
// no NTSTATUS, and takes anna and ANNA for two.
func TestKerberosPasswordOfMIT(t *testing.T) {
	r := startMIT(t, "anna", "paul", "ben", "stranger", "anna/admin", "ANNA", "gone", "over", "old", "new", "card")
	for _, query := range []string{
		"modprinc +requires_preauth anna", "modprinc -allow_tix gone", "modprinc -expire yesterday over", "modprinc -pwexpire yesterday old",
		"modprinc +needchange new", "modprinc +requires_hwauth +requires_preauth card", "addprinc -e arcfour-hmac:normal -pw Secr3t-weak weak",
		"cpw -e aes256-cts-hmac-sha384-192:normal -pw Secr3t-paul paul", "cpw -e aes128-cts-hmac-sha1-96:normal -pw Secr3t-ben ben",
		"addpol -maxfailure 2 -failurecountinterval 0 -lockoutduration 0 strict", "addprinc +requires_preauth -policy strict -pw Secr3t-dora dora",
	} {
		r.admin(t, query)
	}
	server := openLDAP(t)
	s := start(t, siteConfig{
		Servers: server.LDAPS, CA: server.CA, Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\tthrottle off\n\t}\n\trespond \"{http.auth.user.id}|{http.auth.user.dn}\"\n",
		LDAP: serviceWords + "\ndns_domain example.org\nbase_dn " + slapd.Base + "\nverify kerberos_password " + r.keytab + " {\nkrb5_conf " + filepath.Join(r.dir, "krb5.conf") + "\n}",
	})
	for _, c := range []struct{ name, user, password, reason string }{
		{"preauthentication", "anna", "Secr3t-anna", ""},
		{"without, SHA-2", "paul", "Secr3t-paul", ""},
		{"realm", `EXAMPLE.ORG\anna`, "Secr3t-anna", ""},
		{"name at realm", "anna@example.org", "Secr3t-anna", ""},
		{"wrong", "anna", "wrong", "bad_credentials"},
		{"wrong, without preauthentication", "paul", "wrong", "bad_credentials"},
		{"another's", "paul", "Secr3t-anna", "bad_credentials"},
		{"unknown", "nobody", "Secr3t-nobody", "bad_credentials"},
		{"another suffix", "anna@elsewhere.org", "Secr3t-anna", "identity_mismatch"},
		{"an instance", "anna/admin", "Secr3t-anna/admin", "bad_credentials"},
		{"other letters", "ANNA", "Secr3t-ANNA", "not_found"},
		{"other letters' password", "ANNA", "Secr3t-anna", "bad_credentials"},
		{"no entry", "stranger", "Secr3t-stranger", "not_found"},
		{"no tickets", "gone", "Secr3t-gone", "disabled"},
		{"account over", "over", "Secr3t-over", "account_expired"},
		{"password old", "old", "Secr3t-old", "password_expired"},
		{"password to change", "new", "Secr3t-new", "password_expired"},
		{"a card", "card", "Secr3t-card", "restriction"},
		{"RC4 alone", "weak", "Secr3t-weak", "etype"},
		{"a service", "HTTP/localhost", "x", "bad_credentials"},
		{"wrong once", "dora", "wrong", "bad_credentials"},
		{"wrong twice", "dora", "wrong", "bad_credentials"},
		{"locked", "dora", "Secr3t-dora", "disabled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := curl(t, "--basic", "-u", c.user+":"+c.password, s.HTTP+"/")
			sam := strings.TrimSuffix(strings.TrimPrefix(c.user, `EXAMPLE.ORG\`), "@example.org")
			switch {
			case c.reason == "" && (got.Status != 200 || !strings.HasPrefix(got.Body, sam+"|uid="+sam+",")):
				t.Errorf("got %d %s, reason %s, want %s", got.Status, got.Body, s.reason(t), sam)
			case c.reason != "" && (got.Status != 401 || len(got.Challenges) != 1 || s.reason(t) != c.reason):
				t.Errorf("got %d %q, reason %s, want 401 and %s", got.Status, got.Challenges, s.reason(t), c.reason)
			}
		})
	}
	for who, want := range map[string]string{"anna": "1", "dora": "2"} {
		if got := r.failedPasswords(t, who); got != want {
			t.Errorf("%s: the KDC has counted %s wrong passwords, want %s", who, got, want)
		}
	}
	if strings.Contains(s.logText(t), "Secr3t-anna") {
		t.Error("the log shows a password")
	}
}

// TestKerberosPasswordOfDisabled: features D3, threats C-12. Who was disabled is out
// within the ttl, on the connection that he came by and on a new one: also where the
// KDC has not heard of it, since the directory has.
func TestKerberosPasswordOfDisabled(t *testing.T) {
	key := bytes.Repeat([]byte{0x66}, 32)
	late := (&kdctest.KDC{
		Realm: domain.Realm, Version: 1, Users: map[string]string{"leaver": "Secr3t-leaver"}, Services: map[string][]byte{"HTTP/localhost": key},
	}).Start(t)
	keytab := filepath.Join(t.TempDir(), "late.keytab")
	if err := os.WriteFile(keytab, kdctest.Keytab(domain.Realm, "HTTP/localhost", 1, key), 0o600); err != nil {
		t.Fatal(err)
	}
	account := "\ncache {\nttl 1s\n}\n" + `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password
	for name, words := range map[string]string{
		"a KDC that knows":      "verify kerberos_password " + domain.HTTPKeytab(),
		"a KDC that is at loss": "verify kerberos_password " + keytab + " {\nkrb5_conf " + confWith(t, late.Addr) + "\n}",
	} {
		t.Run(name, func(t *testing.T) {
			newUser(t, "leaver", "Secr3t-leaver")
			s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: words + account, Body: unthrottled})
			ask := func(c *http.Client) int {
				t.Helper()
				request, err := http.NewRequest(http.MethodGet, s.HTTP+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				request.SetBasicAuth("leaver", "Secr3t-leaver")
				got, err := c.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer got.Body.Close()
				_, _ = io.Copy(io.Discard, got.Body)
				return got.StatusCode
			}
			kept, fresh := &http.Client{Transport: new(http.Transport)}, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			defer kept.CloseIdleConnections()
			for range 2 {
				if got := ask(kept); got != 200 {
					t.Fatalf("before: got %d, reason %s", got, s.reason(t))
				}
			}
			do(t, "disabling", func() error { return domain.SambaTool(1, "user", "disable", "leaver") })
			time.Sleep(1100 * time.Millisecond) // the ttl
			for where, c := range map[string]*http.Client{"its connection": kept, "a new one": fresh} {
				if got := ask(c); got != 401 || s.reason(t) != "disabled" {
					t.Errorf("%s: got %d, reason %s, want 401 and disabled", where, got, s.reason(t))
				}
			}
		})
	}
}
