package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// keytabOf has MIT's ktutil write the keys of a password.
func keytabOf(t *testing.T, principal, password, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "account.keytab")
	command := exec.Command("ktutil")
	command.Stdin = strings.NewReader("addent -password -p " + principal + " -k " + version + " -e aes256-cts-hmac-sha1-96\n" + password + "\nwkt " + path + "\nquit\n")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("ktutil: %v\n%s", err, out)
	}
	return path
}

// cacheOf has MIT's kinit get a ticket.
func cacheOf(t *testing.T, principal, keytab string, options ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cache")
	command := exec.Command("kinit", append(options, "-c", "FILE:"+path, "-k", "-t", keytab, principal)...)
	command.Env = append(os.Environ(), "KRB5_CONFIG="+domain.KRB5Config())
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kinit: %v\n%s", err, out)
	}
	return path
}

// verdict is the self-test's line in the log, awaited: it binds the service
// account and reads the base DN, which nobody may who is not bound.
func (s *site) verdict(t *testing.T) entry {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, e := range s.lines(t, "ldap") {
			if strings.HasPrefix(e.text("msg"), "self-test") {
				return e
			}
		}
	}
	t.Fatal("no word from the self-test")
	return nil
}

// TestServiceAccount binds in each way that there is, against the real
// controllers (features B3 to B6).
func TestServiceAccount(t *testing.T) {
	account := lab.Account("svc-web")
	principal := account.Sam + "@" + domain.Realm
	keytab := keytabOf(t, principal, account.Password, "1")
	wrong := keytabOf(t, principal, "not-the-password", "1")
	cache := cacheOf(t, principal, keytab)
	block := func(lines ...string) string {
		return "service_account kerberos {\n" + strings.Join(lines, "\n") + "\n}"
	}
	for name, c := range map[string]struct{ words, hint string }{
		"simple":           {`service_account EXAMPLE\svc-web ` + account.Password, ""},
		"simple DN":        {"service_account " + `"` + account.DN() + `" ` + account.Password, ""},
		"ntlm":             {`service_account ntlm EXAMPLE\svc-web ` + account.Password, ""},
		"ntlm UPN":         {`service_account ntlm ` + account.UPN + " " + account.Password, ""},
		"ntlm wrong":       {`service_account ntlm EXAMPLE\svc-web wrong`, "check name and secret"},
		"password":         {"service_account kerberos " + account.UPN + " " + account.Password, ""},
		"password, bare":   {"service_account kerberos svc-web " + account.Password, ""},
		"wrong password":   {"service_account kerberos svc-web wrong", "the KDC refuses"},
		"krb5_conf":        {"service_account kerberos svc-web " + account.Password + " {\nkrb5_conf " + domain.KRB5Config() + "\n}", ""},
		"keytab":           {block("keytab " + keytab), ""},
		"principal":        {block("keytab "+keytab, "principal "+principal), ""},
		"principal absent": {block("keytab "+keytab, "principal nobody@"+domain.Realm), "the KDC refuses"},
		"stale keytab":     {block("keytab " + wrong), "the KDC refuses"},
		"ccache":           {block("ccache "+cache, "krb5_conf "+domain.KRB5Config()), ""},
		"no ccache":        {block("ccache " + cache + ".missing"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{Body: whoami, LDAP: "base_dn " + domain.BaseDN + "\n" + c.words})
			got := s.verdict(t)
			switch {
			case name == "no ccache":
				if got.text("reason") != "svc_bind" || !strings.Contains(got.text("error"), "may this program read it?") {
					t.Errorf("got %v, want svc_bind and the file", got)
				}
			case c.hint == "" && !strings.HasSuffix(got.text("msg"), "all is well"):
				t.Errorf("got %v, want all well", got)
			case c.hint != "" && (got.text("reason") != "svc_bind" || !strings.Contains(got.text("hint"), c.hint)):
				t.Errorf("got %v, want svc_bind with %q", got, c.hint)
			}
			for _, secret := range []string{account.Password, "not-the-password"} {
				if strings.Contains(s.logText(t), secret) {
					t.Errorf("the log shows %s", secret)
				}
			}
		})
	}
	if err := domain.Unlock(account.Sam); err != nil {
		t.Error(err)
	}
}
