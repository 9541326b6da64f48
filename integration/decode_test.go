package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// sentHeader is what curl -v shows that it sends.
var sentHeader = regexp.MustCompile(`(?mi)^> (Authorization: \S+ \S+)`)

// TestDecode: tokens of clients that are not ours, with tickets of a real domain: what
// is in them the domain's own programs say too.
func TestDecode(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: whoami})
	local := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1) + "/"
	alice := ticketsOf(t, "alice", "")
	sent := func(env []string, args ...string) string {
		t.Helper()
		c := exec.Command("curl", append([]string{"-sv", "-k", "--max-time", "20", "-o", os.DevNull}, args...)...)
		c.Env = env
		trace, err := c.CombinedOutput()
		all := sentHeader.FindAllStringSubmatch(string(trace), -1)
		if err != nil || len(all) == 0 {
			t.Fatalf("%v\n%s", err, trace)
		}
		return all[len(all)-1][1]
	}
	sid, err := domain.SID("alice")
	if err != nil {
		t.Fatal(err)
	}
	token, password := tokenOf(t, alice), lab.Account("alice").Password
	byTicket := sent(alice, "--negotiate", "-u", ":", local)
	const open = "SPNEGO NegTokenInit|mechanisms Kerberos|Kerberos AP-REQ|service    HTTP/localhost|realm      EXAMPLE.TEST|ticket     aes256-cts-hmac-sha1-96 (18), under the service's key, version (kvno) 1"
	inside := open + "|opened by  HTTP/localhost@EXAMPLE.TEST, version 1|client     alice@EXAMPLE.TEST|pre-authent|delegation the client hands on no ticket" +
		`|user       EXAMPLE\alice|SID        ` + sid + "|extra SIDs S-1-18-1|UPN        alice@example.test|signature  right"
	for name, v := range map[string]verdict{
		"a token of MIT":        {token, "", 0, open + "|sealed     client, times and PAC"},
		"what curl sends":       {byTicket, "", 0, open},
		"with the keytab":       {"--keytab " + domain.HTTPKeytab() + " " + token, "", 0, inside + "|binding    none"},
		"over HTTPS":            {"--keytab " + domain.HTTPKeytab() + " " + sent(alice, "--http1.1", "--negotiate", "-u", ":", s.HTTPS+"/"), "", 0, inside + "|binding    "},
		"by another's keytab":   {"--keytab " + domain.RC4Keytab() + " " + token, "", 1, open + "|no key in " + domain.RC4Keytab() + " opens it: not a ticket of ours: no key of aes256-cts-hmac-sha1-96 opens it; it has svc-rc4@EXAMPLE.TEST version 1|hint: is it the keytab of the account that has HTTP/localhost"},
		"curl's Type 3":         {sent(os.Environ(), "--ntlm", "-u", `EXAMPLE\alice:`+password, s.HTTP+"/"), "", 0, "NTLM AUTHENTICATE_MESSAGE (Type 3)|user       alice|domain     EXAMPLE|response   NTLMv2"},
		"curl's Basic":          {sent(os.Environ(), "--basic", "-u", `EXAMPLE\alice:`+password, s.HTTPS+"/"), "", 0, `name       EXAMPLE\alice|not shown`},
		"no such keytab":        {"--keytab /nowhere/http.keytab " + token, "", 2, "keytab /nowhere/http.keytab is not there: |no such file|hint: mend the path, or write /nowhere"},
		"nothing to do with it": {"hello", "", 2, "hint: "},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", append([]string{"decode"}, strings.Fields(v.args)...)...)
			v.check(t, code, out)
			if strings.Contains(out, password) {
				t.Errorf("it shows the password:\n%s", out)
			}
		})
	}
	if code, out := doctor(t, byTicket+"\n", "decode"); code != 0 || !strings.Contains(out, "HTTP/localhost") {
		t.Errorf("standard input: got %d\n%s", code, out)
	}
}

// TestKeytabOfSomebodyElse: feature D6. A keytab that the user may not read is told of
// by name, with whom to give it to.
func TestKeytabOfSomebodyElse(t *testing.T) {
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "caddy-ntlm-") // t.TempDir's parent is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	keytab, config, program := filepath.Join(dir, "http.keytab"), filepath.Join(dir, "Caddyfile"), filepath.Join(dir, "caddy")
	text := fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t\tverify keytab %s\n\t}\n}\nhttp://localhost:1 {\n\twindows_auth EXAMPLE\n}\n", domain.LDAPS(1), keytab)
	do(t, "making the files", func() error {
		for _, step := range []func() error{
			func() error { return os.Chmod(dir, 0o755) },
			func() error { return os.Link(binary, program) },
			func() error { return os.WriteFile(config, []byte(text), 0o644) },
			func() error { return os.WriteFile(keytab, []byte(read(t, domain.HTTPKeytab())), 0o000) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	const want = "keytab KEYTAB may not be read by WHO: |permission denied|chown WHO KEYTAB and chmod 600"
	for name, args := range map[string][]string{"check-config": {"check-config", config}, "decode": {"decode", "--keytab", keytab, "YIIA"}} {
		t.Run(name, func(t *testing.T) {
			c, who := exec.Command(program, append([]string{"windows-auth"}, args...)...), os.Getenv("USER")
			c.Env = []string{"HOME=" + dir}
			if os.Geteuid() == 0 { // who may read everything
				c.SysProcAttr, who = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "nobody"
			}
			out, _ := c.CombinedOutput()
			words := strings.NewReplacer("KEYTAB", keytab, "WHO", who).Replace(want)
			verdict{code: map[string]int{"check-config": 1, "decode": 2}[name], want: words}.check(t, c.ProcessState.ExitCode(), string(out))
		})
	}
}
