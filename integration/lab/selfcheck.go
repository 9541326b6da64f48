package lab

import (
	"context"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// SelfCheck tests the lab itself with independent clients, so that a failure
// elsewhere is not the lab's. It changes nothing that lasts.
func SelfCheck(t *testing.T, l *Lab) {
	t.Run("bind", func(t *testing.T) { checkBinds(t, l) })
	t.Run("start tls", func(t *testing.T) { checkStartTLS(t, l) })
	t.Run("smb", func(t *testing.T) { checkSMB(t, l) })
	t.Run("kerberos", func(t *testing.T) { checkKerberos(t, l) })
	t.Run("table", func(t *testing.T) { checkTable(t, l) })
	t.Run("freeze and stop", func(t *testing.T) { checkPower(t, l) })
}

// patience is how long a controller may take to answer on a busy machine.
const patience = 20 * time.Second

// bind tries a simple bind with ldapsearch; data is the code of a refusal, or
// what else ldapsearch said.
func (l *Lab) bind(within time.Duration, url, name, password string, options ...string) (data string, ok bool) {
	// ldapsearch waits for a TLS handshake without end.
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	command := exec.CommandContext(ctx, "ldapsearch", "-x", "-LLL", "-H", url,
		"-D", name, "-w", password, "-s", "base", "-b", l.BaseDN)
	command.Args = append(append(command.Args, options...), "1.1")
	command.Env = l.Environ()
	out, err := command.CombinedOutput()
	if err == nil {
		return "", true
	}
	found := regexp.MustCompile(`data ([0-9a-f]+),`).FindSubmatch(out)
	if found == nil {
		return strings.TrimSpace(string(out)), false
	}
	return string(found[1]), false
}

func checkBinds(t *testing.T, l *Lab) {
	for _, user := range Users() {
		data, ok := l.bind(patience, l.LDAPS(1), l.Domain+`\`+user.Sam, user.Password)
		if data != user.Data || ok != (user.Data == "") {
			t.Errorf("%s: got ok %v data %q, want data %q", user.Sam, ok, data, user.Data)
		}
	}
	alice := Account("alice")
	for _, n := range []int{1, 2} {
		if data, ok := l.bind(patience, l.LDAPS(n), alice.UPN, alice.Password); !ok {
			t.Errorf("alice at controller %d: got %q, want ok", n, data)
		}
		if data, ok := l.bind(patience, l.LDAPS(n), Account("locked").DN(), Account("locked").Password); ok || data != "775" {
			t.Errorf("locked at controller %d: got ok %v data %q, want 775", n, ok, data)
		}
	}
	if data, _ := l.bind(patience, l.LDAPS(1), alice.DN(), "wrong"); data != "52e" {
		t.Errorf("wrong password: got data %q, want 52e", data)
	}
	if _, ok := l.bind(patience, l.LDAPS(1), alice.DN(), alice.Password); !ok { // clears the count
		t.Error("alice by DN: refused")
	}
}

func checkStartTLS(t *testing.T, l *Lab) {
	alice := Account("alice")
	if data, ok := l.bind(patience, l.LDAP(2), alice.UPN, alice.Password, "-ZZ"); !ok {
		t.Errorf("got %q, want ok", data)
	}
	if _, ok := l.bind(patience, l.LDAP(2), alice.UPN, alice.Password); ok {
		t.Error("a simple bind without TLS: got ok, want a refusal")
	}
}

func checkSMB(t *testing.T, l *Lab) {
	for _, password := range []string{Account("alice").Password, "wrong"} {
		out, err := exec.Command("smbclient", "--configfile=/dev/null", "//"+l.Addr(2)+"/IPC$",
			"-U", l.Domain+`\alice%`+password, "-c", "exit").CombinedOutput()
		if wantOK := password != "wrong"; (err == nil) != wantOK {
			t.Errorf("NTLM log-in: got %s, want ok %v", out, wantOK)
		}
	}
}

func checkKerberos(t *testing.T, l *Lab) {
	environ := append(l.Environ(), "KRB5CCNAME=FILE:"+t.TempDir()+"/cc")
	run := func(stdin, name string, arguments ...string) string {
		command := exec.Command(name, arguments...)
		command.Env, command.Stdin = environ, strings.NewReader(stdin)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	run(Account("alice").Password+"\n", "kinit", "alice")
	run("", "kvno", "-k", l.HTTPKeytab(), "HTTP/web.example.test", "HTTP/localhost")
	run("", "kvno", "-k", l.RC4Keytab(), "HTTP/rc4.example.test")
	tickets := regexp.MustCompile(`(HTTP/\w+)\S*\s.*\s.*, tkt\): \S+, .*?([a-z0-9-]+) \n`).FindAllStringSubmatch(run("", "klist", "-e"), -1)
	want := map[string]string{"HTTP/web": "aes256-cts-hmac-sha1-96", "HTTP/localhost": "aes256-cts-hmac-sha1-96", "HTTP/rc4": "arcfour-hmac"}
	if len(tickets) != len(want) {
		t.Fatalf("got tickets %q, want %v", tickets, want)
	}
	for _, ticket := range tickets {
		if got := ticket[2]; got != want[ticket[1]] {
			t.Errorf("%s: got a ticket in %s, want %s", ticket[1], got, want[ticket[1]])
		}
	}
}

// checkTable compares the table's names with what the second controller holds.
func checkTable(t *testing.T, l *Lab) {
	ldif, err := l.search(2, "(sAMAccountName=*)", "distinguishedName")
	if err != nil {
		t.Fatal(err)
	}
	present, err := ldifValues(ldif, "distinguishedName")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range Users() {
		if !slices.Contains(present, user.DN()) {
			t.Errorf("controller 2 has no %s", user.DN())
		}
	}
	for _, group := range Groups() {
		if !slices.Contains(present, group.DN()) {
			t.Errorf("controller 2 has no %s", group.DN())
		}
	}
	groups, err := l.Attribute(2, "many", "memberOf")
	if err != nil || len(groups) != 300 {
		t.Errorf("many: got %d groups, %v, want 300", len(groups), err)
	}
	if sid, err := l.SID("müller"); err != nil || !strings.HasPrefix(sid, l.DomainSID+"-") {
		t.Errorf("müller: got SID %q, %v, want one of %s", sid, err, l.DomainSID)
	}
}

func checkPower(t *testing.T, l *Lab) {
	alice := Account("alice")
	answers := func(n int, within time.Duration) bool {
		_, ok := l.bind(within, l.LDAPS(n), alice.UPN, alice.Password)
		return ok
	}
	for _, step := range []struct {
		name string
		do   func(int) error
		want bool
	}{
		{"freeze", l.Freeze, false},
		{"thaw", l.Thaw, true},
		{"stop", l.Stop, false},
		{"start", l.Start, true},
	} {
		if err := step.do(2); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		within := patience
		if !step.want {
			within = 2 * time.Second
		}
		if got := answers(2, within); got != step.want {
			t.Errorf("after %s: got answers %v, want %v", step.name, got, step.want)
		}
		if !answers(1, patience) {
			t.Errorf("after %s of controller 2: controller 1 does not answer", step.name)
		}
	}
}
