package integration

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/kdctest"
)

// kerberosPasswordWords are a directory's words for passwords that the KDC
// judges; more goes into the verifier's block.
func kerberosPasswordWords(more ...string) string {
	return "verify kerberos_password " + domain.HTTPKeytab() + " {\n" + strings.Join(more, "\n") + "\n}\n" +
		`service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password
}

// badPasswords is an account's count of wrong ones at both controllers, which do
// not tell each other.
func badPasswords(t *testing.T, sam string) (sum int) {
	t.Helper()
	for n := 1; n <= 2; n++ {
		count, err := domain.BadPasswordCount(n, sam)
		if err != nil {
			t.Fatal(err)
		}
		sum += count
	}
	return sum
}

func unlockAfter(t *testing.T, sams ...string) {
	t.Helper()
	t.Cleanup(func() {
		for _, sam := range sams {
			if err := domain.Unlock(sam); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestKerberosPassword: features D3. Who gets in by each form of a name, who does
// not and why, what the client is told, and what each costs the account: Samba
// counts wrong passwords of fragile and locked, whom a lockout policy is about.
func TestKerberosPassword(t *testing.T) {
	unlockAfter(t, "fragile")
	s := start(t, siteConfig{LDAP: kerberosPasswordWords(), Body: unthrottled})
	s.awaitLine(t, "self-test")
	password := func(sam string) string { return lab.Account(sam).Password }
	for _, c := range []struct {
		name, user, password, sam, reason string
		costs                             int
	}{
		{"bare", "alice", password("alice"), "alice", "", 0},
		{"in capitals", "ALICE", password("alice"), "alice", "", 0},
		{"NetBIOS", `EXAMPLE\alice`, password("alice"), "alice", "", 0},
		{"DNS", `example.test\alice`, password("alice"), "alice", "", 0},
		{"UPN", "alice@example.test", password("alice"), "alice", "", 0},
		{"implicit UPN", "bob@example.test", password("bob"), "bob", "", 0},
		{"UPN of another suffix", "upn.user@other.example", password("upnsam"), "upnsam", "", 0},
		{"umlauts", "müller", password("müller"), "müller", "", 0},
		{"umlauts in the password", "frank", password("frank"), "frank", "", 0},
		{"300 groups", "many", password("many"), "many", "", 0},
		{"wrong", "fragile", "wrong", "fragile", "bad_credentials", 1},
		{"wrong, UPN", "fragile@example.test", "wrong", "fragile", "bad_credentials", 1},
		{"right after wrong", "fragile", password("fragile"), "fragile", "", -2},
		{"wrong, umlauts", "müller", "wrong", "müller", "bad_credentials", 0},
		{"unknown", "nobody", "Secr3t-nobody", "", "bad_credentials", 0},
		{"unknown UPN", "nobody@example.test", "Secr3t-nobody", "", "bad_credentials", 0},
		{"unknown suffix", "alice@elsewhere.example", password("alice"), "", "bad_credentials", 0},
		{"another domain", `OTHER\alice`, password("alice"), "", "identity_mismatch", 0},
		{"empty", "alice", "", "alice", "empty_password", 0},
		{"blank", "alice", " ", "alice", "empty_password", 0},
		{"disabled", "disabled", password("disabled"), "disabled", "disabled", 0},
		{"expired", "expired", password("expired"), "expired", "account_expired", 0},
		{"locked, which the KDC does not say", "locked", password("locked"), "locked", "disabled", 0},
		{"must change", "mustchange", password("mustchange"), "mustchange", "must_change", 0},
		{"password expired", "pwexpired", password("pwexpired"), "pwexpired", "password_expired", 0},
		{"hours", "hours", password("hours"), "hours", "logon_hours", 0},
		{"a service", "krbtgt/EXAMPLE.TEST", "x", "", "bad_credentials", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := 0
			if c.sam != "" {
				before = badPasswords(t, c.sam)
			}
			got := curl(t, "--basic", "-u", c.user+":"+c.password, s.HTTPS+"/")
			switch {
			case c.reason == "":
				if want := who(t, c.sam, "basic", "kerberos_password"); got.Status != 200 || got.Body != want {
					t.Errorf("got %d %s, reason %s, want %s", got.Status, got.Body, s.reason(t), want)
				}
			case got.Status != 401 || len(got.Challenges) != 1 || s.reason(t) != c.reason:
				t.Errorf("got %d %q, reason %s, want 401, %s", got.Status, got.Challenges, s.reason(t), c.reason)
			}
			if c.sam != "" {
				if costs := badPasswords(t, c.sam) - before; costs != c.costs {
					t.Errorf("got %d more bad passwords, want %d", costs, c.costs)
				}
			}
		})
	}
	if strings.Contains(s.logText(t), password("alice")) {
		t.Error("the log shows a password")
	}
}

// TestKerberosPasswordOfProtectedUser: members of Protected Users have no NTLM
// and no RC4, and get in here.
func TestKerberosPasswordOfProtectedUser(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosPasswordWords(), Body: whoami})
	protect(t, "bob")
	if got := curl(t, "--basic", "-u", "bob:"+lab.Account("bob").Password, s.HTTPS+"/"); got.Status != 200 || got.Body != who(t, "bob", "basic", "kerberos_password") {
		t.Errorf("got %d %s, reason %s", got.Status, got.Body, s.reason(t))
	}
}

// TestKerberosPasswordGroups: rules see the groups that every other verifier
// shows.
func TestKerberosPasswordGroups(t *testing.T) {
	s := start(t, siteConfig{LDAP: kerberosPasswordWords(), Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire group \"Nest A\"\n\t}\n\trespond in\n"})
	for sam, want := range map[string]int{"carol": 200, "alice": 403} {
		if got := curl(t, "--basic", "-u", sam+":"+lab.Account(sam).Password, s.HTTP+"/"); got.Status != want {
			t.Errorf("%s: got %d, reason %s, want %d", sam, got.Status, s.reason(t), want)
		}
	}
}

// TestKerberosPasswordWithoutServiceAccount: the certificate in the ticket tells who
// somebody is, and groups by SID.
func TestKerberosPasswordWithoutServiceAccount(t *testing.T) {
	for rule, want := range map[string]int{"sid S-1-5-11": 200, `group "Nest A"`: 403} {
		s := start(t, siteConfig{
			LDAP: "verify kerberos_password " + domain.HTTPKeytab(),
			Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire " + rule + "\n\t}\n\trespond \"{http.auth.user.id}|{http.auth.user.verifier}|{http.auth.user.sid}\"\n",
		})
		got := curl(t, "--basic", "-u", "carol:"+lab.Account("carol").Password, s.HTTP+"/")
		if got.Status != want || want == 200 && !strings.HasPrefix(got.Body, "carol|kerberos_password|S-1-5-21-") {
			t.Errorf("%s: got %d %s, reason %s, want %d", rule, got.Status, got.Body, s.reason(t), want)
		}
	}
}

// confWith is a krb5.conf with these KDCs.
func confWith(t *testing.T, kdcs ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "krb5.conf")
	text := "[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n[realms]\n EXAMPLE.TEST = {\n  kdc = " + strings.Join(kdcs, "\n  kdc = ") + "\n }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// silent accepts connections and answers nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// TestKerberosPasswordWithoutKDC: threats E-01. No KDC is no wrong password, one
// that is down hides none that answers, and a wrong password is sent to one
// alone.
func TestKerberosPasswordWithoutKDC(t *testing.T) {
	unlockAfter(t, "fragile")
	dead, quiet := "127.0.0.1:"+strconv.Itoa(freePort(t)), silent(t)
	good := net.JoinHostPort(domain.Addr(1), "88")
	for name, c := range map[string]struct {
		kdcs     []string
		password string
		status   int
		reason   string
	}{
		"refused":           {[]string{dead}, lab.Account("fragile").Password, 503, "unavailable"},
		"silent":            {[]string{quiet}, lab.Account("fragile").Password, 503, "unavailable"},
		"all":               {[]string{quiet, dead, silent(t), silent(t), silent(t)}, lab.Account("fragile").Password, 503, "timeout"},
		"the second":        {[]string{dead, good}, lab.Account("fragile").Password, 200, ""},
		"behind a silent":   {[]string{quiet, good}, lab.Account("fragile").Password, 200, ""},
		"wrong, the second": {[]string{dead, good, net.JoinHostPort(domain.Addr(2), "88")}, "wrong", 401, "bad_credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := domain.Unlock("fragile"); err != nil {
				t.Fatal(err)
			}
			s := start(t, siteConfig{LDAP: kerberosPasswordWords("krb5_conf " + confWith(t, c.kdcs...)), Body: whoami})
			began := time.Now()
			got := curl(t, "--basic", "-u", "fragile:"+c.password, s.HTTPS+"/")
			if took := time.Since(began); took > 11*time.Second {
				t.Errorf("took %s", took)
			}
			if got.Status != c.status || c.reason != "" && s.reason(t) != c.reason {
				t.Errorf("got %d, reason %s, want %d, %s", got.Status, s.reason(t), c.status, c.reason)
			}
			if c.status == 503 && len(got.Challenges) > 0 {
				t.Errorf("503 asks for a password: %q", got.Challenges)
			}
			if want := map[int]int{401: 1}[c.status]; badPasswords(t, "fragile") != want {
				t.Errorf("got %d bad passwords, want %d", badPasswords(t, "fragile"), want)
			}
		})
	}
}

// otherKeytab is a keytab of the same name with the key of another password: to
// Caddy with it the real KDC is one that does not know the service's key.
func otherKeytab(t *testing.T, kvno int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.keytab")
	command := exec.Command("ktutil")
	command.Stdin = strings.NewReader(fmt.Sprintf("addent -password -p HTTP/localhost@EXAMPLE.TEST -k %d -e aes256-cts-hmac-sha1-96\nnone-of-them\nwkt %s\nquit\n", kvno, path))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("ktutil: %v\n%s", err, out)
	}
	return path
}

// TestKerberosPasswordOfSpoofedKDC: threats part 7. Somebody who stands in for the
// KDC, and knows the passwords that he types and not the site's key, gets nobody
// in, himself included. With the key he is the KDC.
func TestKerberosPasswordOfSpoofedKDC(t *testing.T) {
	alice := lab.Account("alice")
	key := bytes.Repeat([]byte{0x66}, 32)
	k := (&kdctest.KDC{
		Realm: domain.Realm, Version: 1, Users: map[string]string{"alice": alice.Password},
		Services: map[string][]byte{"HTTP/web.example.test": key, "HTTP/localhost": key},
	}).Start(t)
	stolen := filepath.Join(t.TempDir(), "stolen.keytab")
	if err := os.WriteFile(stolen, kdctest.Keytab(domain.Realm, "HTTP/localhost", 1, key), 0o600); err != nil {
		t.Fatal(err)
	}
	for keytab, want := range map[string]int{domain.HTTPKeytab(): 503, stolen: 200} {
		s := start(t, siteConfig{Body: whoami, LDAP: "verify kerberos_password " + keytab + " {\nkrb5_conf " + confWith(t, k.Addr) + "\n}\n" +
			`service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password})
		got := curl(t, "--basic", "-u", "alice:"+alice.Password, s.HTTPS+"/")
		if got.Status != want || len(got.Challenges) > 0 || want == 503 && (s.reason(t) != "kdc_unproven" || s.refusal(t).text("level") != "error") {
			t.Errorf("%s: got %d %q, %v, want %d", keytab, got.Status, got.Challenges, s.refusal(t), want)
		}
	}
}

// TestKerberosPasswordProvesTheKDC: a KDC whose ticket the keytab does not open
// lets nobody in, right as the password may be, and asks nobody for another one.
func TestKerberosPasswordProvesTheKDC(t *testing.T) {
	for name, c := range map[string]struct {
		words, reason string
	}{
		"another key":        {"verify kerberos_password " + otherKeytab(t, 1), "kdc_unproven"},
		"an old keytab":      {"verify kerberos_password " + otherKeytab(t, 7), "keytab"},
		"no such service":    {"verify kerberos_password " + domain.HTTPKeytab() + " {\nspn HTTP/nowhere.example.test\n}", "keytab"},
		"a service of RC4":   {"verify kerberos_password " + domain.RC4Keytab(), "keytab"},
		"another account's":  {"verify kerberos_password " + domain.HTTPKeytab() + " {\nspn HTTP/rc4.example.test\n}", "keytab"},
		"somebody's account": {"verify kerberos_password " + domain.HTTPKeytab() + " {\nspn HTTP/dc1.example.test\n}", "kdc_unproven"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{LDAP: c.words + "\n" + `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password, Body: whoami})
			got := curl(t, "--basic", "-u", "alice:"+lab.Account("alice").Password, s.HTTPS+"/")
			if got.Status != 503 || len(got.Challenges) > 0 || s.reason(t) != c.reason || s.refusal(t).text("level") != "error" {
				t.Errorf("got %d %q, %v, want 503, an error, %s", got.Status, got.Challenges, s.refusal(t), c.reason)
			}
		})
	}
}
