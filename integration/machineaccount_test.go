package integration

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMachineAccountOfThePage: the lines of samba-tool in docs/security.md, as they
// stand there, make an account with which log-ins are decided, and which may nothing:
// it is in Domain Computers alone. Its password is changed as the page says, under the
// feet of a running site.
func TestMachineAccountOfThePage(t *testing.T) {
	page := read(t, "../docs/security.md")
	secret := filepath.Join(t.TempDir(), "web09.secret")
	run := func(line, password string) {
		t.Helper()
		var arguments []string
		for _, a := range strings.Fields(line)[1:] {
			a = strings.ReplaceAll(a, "WEB01", "WEB09")
			if strings.HasPrefix(a, "--newpassword=") {
				a = "--newpassword=" + password
			}
			arguments = append(arguments, a)
		}
		if err := domain.SambaTool(1, arguments...); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	set := func(password string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := regexp.MustCompile(`(?m)^samba-tool .*`).FindAllString(strings.ReplaceAll(page, `"$(cat /etc/caddy/web01.secret)"`, "PASSWORD"), -1)
	if len(lines) != 2 || !strings.Contains(lines[0], "computer create WEB01") || !strings.Contains(lines[1], "setpassword WEB01$ --newpassword=PASSWORD") {
		t.Fatalf("got %q, want the two lines that make an account", lines)
	}
	set("First-of-WEB09-4711")
	run(lines[0], "")
	t.Cleanup(func() {
		if err := domain.SambaTool(1, "computer", "delete", "WEB09"); err != nil {
			t.Error(err)
		}
	})
	run(lines[1], "First-of-WEB09-4711")
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: "verify netlogon WEB09$ {file." + secret + "}", Body: whoami})
	login := func(when string) {
		t.Helper()
		if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 200 || got.Body != told(t, "alice", "ntlm") {
			t.Errorf("%s: got %d %s, reason %s: %s", when, got.Status, got.Body, s.reason(t), s.refusal(t).text("error"))
		}
	}
	login("a new account")
	for attribute, want := range map[string]string{"memberOf": "", "servicePrincipalName": "", "primaryGroupID": "515", "userAccountControl": "4096"} {
		values, err := domain.Attribute(1, "WEB09$", attribute)
		if got := strings.Join(values, " "); err != nil || got != want {
			t.Errorf("got %s %q, %v, want %q: a workstation's account, in Domain Computers alone", attribute, got, err, want)
		}
	}
	run(lines[1], "Second-of-WEB09-4712")
	login("a new password in the domain")
	set("Second-of-WEB09-4712")
	login("and in the file")
	if err := errors.Join(domain.Stop(1), domain.Start(1)); err != nil {
		t.Fatal(err)
	}
	login("a new channel")
}
