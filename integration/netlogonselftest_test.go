package integration

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/faultproxy"
)

// withService is a directory of both controllers, with the account that searches.
func withService() string {
	return netlogonWords() + "\nservice_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password
}

// TestNetlogonSiteSelfTest: after the start each controller has opened a channel, or
// the log says why not and what to do; the figures say it too.
func TestNetlogonSiteSelfTest(t *testing.T) {
	one := "ldaps://127.0.0.1:1"
	for name, c := range map[string]struct {
		servers, words string
		works          int // controllers
		hint           string
		outcome        string // of opening at the first server
	}{
		"well":            {domain.LDAPS(1) + " " + domain.LDAPS(2), netlogonWords(), 2, "", "ok"},
		"wrong password":  {domain.LDAPS(1) + " " + domain.LDAPS(2), "verify netlogon WEB01$ wrong", 0, "the machine account's password is wrong", "secure_channel"},
		"unknown machine": {domain.LDAPS(1), "verify netlogon NOBODY$ wrong", 0, "the domain has no machine account NOBODY$", "secure_channel"},
		"RPC is closed":   {one + " " + domain.LDAPS(2), netlogonWords(), 1, "are port 135 and the ports above 49152 (TCP) of the domain controllers open", "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			s := start(t, siteConfig{Servers: c.servers, LDAP: c.words, Body: whoami, Admin: admin})
			servers := strings.Fields(c.servers)
			var works, fails []entry
			for began := time.Now(); len(works)+len(fails) < len(servers) && time.Since(began) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
				works, fails = nil, nil
				for _, e := range s.lines(t, "ldap") {
					switch {
					case e.text("msg") == "netlogon: secure channel works":
						works = append(works, e)
					case strings.HasPrefix(e.text("msg"), "self-test: netlogon will not work"):
						fails = append(fails, e)
					}
				}
			}
			if len(works) != c.works || len(fails) != len(servers)-c.works {
				t.Fatalf("got %d controllers that work and %d that do not, want %d of %d\n%s", len(works), len(fails), c.works, len(servers), s.logText(t))
			}
			for _, e := range works {
				if e.text("seal") != "AES-128, HMAC-SHA256" || e["validation_level"] != 6.0 || !strings.HasSuffix(e.text("server"), ":135") || e.text("account") != "WEB01$" {
					t.Errorf("got %v, want how the channel is sealed and what the controller answers", e)
				}
			}
			for _, e := range fails {
				if !strings.Contains(e.text("hint"), c.hint) || e.text("level") != "error" || strings.Contains(fmt.Sprint(e), "Secr3t-") {
					t.Errorf("got %v, want an error with the cure %q", e, c.hint)
				}
			}
			account := `EXAMPLE\\` + strings.Fields(c.words)[2]
			host := strings.TrimSuffix(strings.TrimPrefix(servers[0], "ldaps://"), ":1")
			got := figures(t, admin)
			if n := got[fmt.Sprintf(`netlogon_channels_total{account="%s",outcome=%q,server="%s:135"}`, account, c.outcome, host)]; n != 1 {
				t.Errorf("got %v channels of the first server with the outcome %s, want 1: %v", n, c.outcome, got)
			}
			if up := got[fmt.Sprintf(`netlogon_server_up{account="%s",server="%s:135"}`, account, host)]; (up == 1) != (c.outcome == "ok") {
				t.Errorf("got up %v, want it as the outcome %s says", up, c.outcome)
			}
		})
	}
}

// TestNetlogonSiteSelfTestReload: a secret that is wrong since a reload is found, though
// the channels are open that the right one has opened, and log-ins go on over them.
func TestNetlogonSiteSelfTestReload(t *testing.T) {
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: netlogonWords(), Body: whoami})
	s.awaitLine(t, "netlogon: secure channel works")
	s = start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: "verify netlogon WEB01$ wrong", Body: whoami})
	s.awaitLine(t, "self-test: netlogon will not work")
	for _, e := range s.lines(t, "ldap") {
		if e.text("msg") == "netlogon: secure channel works" {
			t.Errorf("got %v, want no such line", e)
		}
		if strings.HasPrefix(e.text("msg"), "self-test: netlogon") && (e.text("reason") != "secure_channel" || !strings.Contains(e.text("hint"), "password is wrong")) {
			t.Errorf("got %v, want secure_channel and the cure", e)
		}
	}
	if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 200 {
		t.Errorf("over the open channel: got %d, reason %s, want 200", got.Status, s.reason(t))
	}
}

// TestNetlogonSiteSuffix: a UPN with another suffix than the domain's. Samba knows
// none by Netlogon; where the password is typed the service account finds out whose
// it is, and NTLM's answer is made with the name as it was typed.
func TestNetlogonSiteSuffix(t *testing.T) {
	const typed, cure = "upn.user@other.example", `log in as EXAMPLE\user`
	for _, words := range []struct {
		name, words string
		logIns      []suffixed
	}{
		{"with a service account", withService(), []suffixed{
			{"--basic", "Secr3t-upnsam", http.StatusOK, ""},
			{"--basic", "wrong", http.StatusUnauthorized, ""},
			{"--ntlm", "Secr3t-upnsam", http.StatusUnauthorized, cure},
		}},
		{"without", netlogonWords(), []suffixed{
			{"--basic", "Secr3t-upnsam", http.StatusUnauthorized, cure},
			{"--ntlm", "Secr3t-upnsam", http.StatusUnauthorized, cure},
		}},
	} {
		s := start(t, siteConfig{LDAP: words.words, Body: unthrottled})
		for _, c := range words.logIns {
			got := curl(t, c.scheme, "-u", typed+":"+c.secret, s.HTTP+"/")
			if got.Status != c.status || c.status == http.StatusOK && got.Body != who(t, "upnsam", "basic", "netlogon") {
				t.Fatalf("%s, %s: got %d %s, want %d; reason %s", words.name, c.scheme, got.Status, got.Body, c.status, s.reason(t))
			}
			if c.status != http.StatusOK && (s.reason(t) != "bad_credentials" || !strings.Contains(s.hint(t), c.hint) || (s.hint(t) == "") != (c.hint == "")) {
				t.Errorf("%s, %s: got the reason %s and the hint %q, want %q", words.name, c.scheme, s.reason(t), s.hint(t), c.hint)
			}
		}
	}
}

// suffixed is a log-in by such a name.
type suffixed struct {
	scheme, secret string
	status         int
	hint           string
}

// TestCheckConfigNetlogon: what the doctor says of the secure channel and of the
// machine account.
func TestCheckConfigNetlogon(t *testing.T) {
	if err := domain.SambaTool(1, "computer", "create", "RIGHTS01"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = domain.SambaTool(1, "computer", "delete", "RIGHTS01") })
	setPassword(t, "RIGHTS01$", "Secr3t-rights-1")
	membership(t, "addmembers", "Domain Admins", "RIGHTS01$")
	if err := domain.SambaTool(1, "delegation", "for-any-service", "RIGHTS01$", "on"); err != nil {
		t.Fatal(err)
	}
	both := func(words string) string {
		return strings.Replace(ldapBlock(words), domain.LDAPS(1), domain.LDAPS(1)+" "+domain.LDAPS(2), 1)
	}
	service := "\nservice_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password
	for name, c := range map[string]verdict{
		"well": {args: both(withService()), code: 0,
			want: "ok       netlogon " + domain.Addr(1) + ":135: the secure channel of WEB01$ works, sealed with AES-128, HMAC-SHA256; log-ins are judged, at level 6|netlogon " + domain.Addr(2) + ":135|ok       machine  WEB01$ is an ordinary computer account|ok       basic    verify netlogon, works at|ok       ntlm     verify netlogon, works at"},
		"no service account": {args: both(netlogonWords()), code: 0, want: "ok       netlogon |ok       ntlm     verify netlogon, works at"},
		"wrong password":     {args: both("verify netlogon WEB01$ wrong" + service), code: 1, want: "FAULT    netlogon|STATUS_ACCESS_DENIED|hint: the machine account's password is wrong|FAULT    basic    verify netlogon, will not work at|FAULT    ntlm     verify netlogon, will not work at"},
		"unknown machine":    {args: both("verify netlogon NOBODY$ wrong" + service), code: 1, want: "FAULT    netlogon|the domain has no machine account NOBODY$|unclear  machine  NOBODY$ is not to be seen"},
		"another domain":     {args: both(withService() + "\ndomain OTHER"), code: 1, want: "FAULT    netlogon|FAULT    domain   the domain's NetBIOS name is EXAMPLE, and not OTHER"},
		"RPC is closed": {args: strings.Replace(both(withService()), domain.LDAPS(1), "ldaps://127.0.0.1:1", 1), code: 1,
			want: "FAULT    netlogon 127.0.0.1:135|the endpoint mapper|hint: are port 135 and the ports above 49152|note     ntlm     verify netlogon, works at " + domain.Addr(2)},
		"RPC is closed, SMB is open": {args: strings.Replace(ldapBlock(withService()), domain.LDAPS(1), throughSMB(t), 1), code: 0, want: "ok       netlogon " + spare(t) + ":135: the secure channel of WEB01$ works"},
		"no LDAP":                    {args: fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n%s\n\t}\n}\n", domain.LDAPS(1), netlogonWords()), code: 0, want: "note     tls|no LDAP of it is needed|ok       netlogon |ok       basic    verify netlogon, works at|ok       ntlm     verify netlogon, works at"},
		"more rights":                {args: ldapBlock("verify netlogon RIGHTS01$ Secr3t-rights-1" + service), code: 0, want: "note     machine  RIGHTS01$ is trusted for delegation|ok       netlogon "},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", "check-config", configFile(t, c.args))
			c.check(t, code, out)
		})
	}
}

// throughSMB is the first controller at an address where its ports of RPC are closed.
func throughSMB(t *testing.T) (server string) {
	t.Helper()
	host := spare(t)
	for _, port := range []string{"636", "445"} {
		faultproxy.At(t, net.JoinHostPort(host, port), net.JoinHostPort(domain.Addr(1), port))
	}
	return "ldaps://" + host + " {\n\t\t\tserver_name dc1.example.test\n\t\t}"
}

// TestNetlogonNeedsNoLDAP: where nobody is looked up, a site works without LDAP, and the log
// does not call it broken.
func TestNetlogonNeedsNoLDAP(t *testing.T) {
	other := t.TempDir()
	if err := daemon.WriteCertificates(other); err != nil {
		t.Fatal(err)
	}
	s := start(t, siteConfig{CA: filepath.Join(other, "ca.pem"), LDAP: netlogonWords(), Body: unthrottled})
	if got := curl(t, "--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`, s.HTTP+"/"); got.Status != 200 {
		t.Errorf("got %d %s, reason %s", got.Status, got.Body, s.reason(t))
	}
	told := 0
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && told == 0; time.Sleep(20 * time.Millisecond) {
		for _, e := range s.lines(t, "ldap") {
			if e.text("level") == "error" {
				t.Fatalf("got %v", e)
			}
			if strings.HasPrefix(e.text("msg"), "self-test: all is well") {
				told++
			}
		}
	}
	if told == 0 {
		t.Errorf("the self-test does not end well:\n%s", s.logText(t))
	}
}

// TestCheckUserWithoutConnection: a verifier that leaves no connection to look up on
// has groups looked up with the service account; where there is none, the log-in is
// not called refused.
func TestCheckUserWithoutConnection(t *testing.T) {
	const service = "\nservice_account EXAMPLE\\svc-web "
	secret := lab.Account("svc-web").Password
	for name, c := range map[string]struct{ words, flags, want string }{
		"netlogon":             {netlogonWords() + service + secret, "-v", "0 direct|There is no group Nope"},
		"netlogon, of another": {netlogonWords() + service + secret, "-m carol", "0 carol was found|User belongs to"},
		"smb":                  {"verify smb insecure_unverified_answer" + service + secret, "-v", "0 direct|User belongs to"},
		"a KDC":                {"verify kerberos_password " + domain.HTTPKeytab() + service + secret, "-v", "0 direct|User belongs to"},
		"no service account":   {netlogonWords(), "", "2 was authenticated|looking up the groups: svc_bind|hint: write a service_account"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"check-user", "-u", "alice", "--config", configFile(t, ldapBlock(c.words)), "-g", "Web Users,Nest A,Nope"}, strings.Fields(c.flags)...)
			code, out := doctor(t, lab.Account("alice").Password+"\n", args...)
			verdict{code: int(c.want[0] - '0'), want: c.want[2:]}.check(t, code, out)
		})
	}
}

// TestExplainProtected: explain knows by which ways a member of Protected Users gets
// in.
func TestExplainProtected(t *testing.T) {
	newUser(t, "guarded", "Secr3t-guarded")
	membership(t, "addmembers", "Protected Users", "guarded")
	service := "service_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password + "\n"
	const site = "http://web.example.test {\n\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t}\n\trespond ok\n}\n"
	for name, c := range map[string]struct {
		words, user string
		code        int
		want        string
	}{
		"bind and relay":   {"", "guarded", 1, "401 Unauthorized: user guarded: |restriction|let in by Kerberos alone|hint: verify keytab takes tickets"},
		"netlogon":         {netlogonWords(), "guarded", 1, "restriction|let in by Kerberos alone"},
		"a ticket":         {netlogonWords() + "\nverify keytab " + domain.HTTPKeytab(), "guarded", 0, `note      a member of Protected Users: a ticket alone lets in|200: EXAMPLE\guarded is let in`},
		"a KDC":            {"verify kerberos_password " + domain.HTTPKeytab() + "\nverify relay", "guarded", 0, `note      a member of Protected Users: NTLM is refused|200: EXAMPLE\guarded is let in`},
		"who is not in it": {netlogonWords(), "alice", 0, `200: EXAMPLE\alice is let in`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", "explain", c.user, "--config", configFile(t, ldapBlock(service+c.words)+site), "--site", "http://web.example.test")
			verdict{code: c.code, want: c.want}.check(t, code, out)
			if c.user == "alice" && strings.Contains(out, "Protected Users") {
				t.Errorf("got\n%s\nwant nothing of Protected Users", out)
			}
		})
	}
}
