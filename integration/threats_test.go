package integration

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestLookAlike: threats D-04. Who is called like somebody else but for one letter
// of another script is another account, under their own name.
func TestLookAlike(t *testing.T) {
	const twin = "аlice" // the first letter is Cyrillic
	do(t, "making the account", func() error { return domain.SambaTool(1, "user", "create", twin, "Secr3t-twin") })
	t.Cleanup(func() {
		do(t, "removing the account", func() error { return domain.SambaTool(1, "user", "delete", twin) })
	})
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1),
		Body:    "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t}\n\thandle /alice {\n\t\trequire user alice\n\t\trespond in\n\t}\n\trespond \"{http.auth.user.id}|{http.auth.user.sid}\"\n",
	})
	sid, err := domain.SID("alice")
	if err != nil {
		t.Fatal(err)
	}
	got := curl(t, "--basic", "-u", twin+":Secr3t-twin", s.HTTP+"/")
	if got.Status != 200 || !strings.HasPrefix(got.Body, twin+"|S-1-5-21-") || strings.HasSuffix(got.Body, sid) {
		t.Errorf("got %d %s, want %s with another SID than %s", got.Status, got.Body, twin, sid)
	}
	if got := curl(t, "--basic", "-u", twin+":Secr3t-twin", s.HTTP+"/alice"); got.Status != 403 {
		t.Errorf("where alice may: got %d", got.Status)
	}
	if got := curl(t, "--basic", "-u", twin+":Secr3t-alice", s.HTTP+"/"); got.Status != 401 {
		t.Errorf("with alice's password: got %d", got.Status)
	}
}

// TestProtectedUsers: threats D-08. Whoever may not log in by NTLM, nor by a
// password that we see, is told no more than anybody, and the log says why.
func TestProtectedUsers(t *testing.T) {
	protect(t, "carol")
	s := start(t, siteConfig{Servers: domain.LDAPS(1), Body: whoami})
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "carol:Secr3t-carol", s.HTTP+"/")
		if got.Status != 401 || len(got.Challenges) != 2 || s.reason(t) != "restriction" || !strings.Contains(s.hint(t), "Protected Users") {
			t.Errorf("%s: got %d %q, reason %s, hint %q", scheme, got.Status, got.Challenges, s.reason(t), s.hint(t))
		}
	}
}

// TestReferralsAreNotFollowed: threats D-10. Entries of a real slapd that lead to
// another host are nobody, and that host never hears of us.
func TestReferralsAreNotFollowed(t *testing.T) {
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	var calls atomic.Int32
	go func() {
		for {
			conn, err := elsewhere.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			conn.Close()
		}
	}()
	server := openLDAP(t)
	add := exec.Command("ldapmodify", "-a", "-x", "-M", "-H", server.LDAPS, "-D", slapd.Admin, "-w", slapd.AdminPassword)
	add.Env = append(add.Environ(), "LDAPTLS_CACERT="+server.CA)
	var ldif strings.Builder
	for _, dn := range []string{"ou=elsewhere,ou=people," + slapd.Base, "uid=guest,ou=people," + slapd.Base} {
		name, value, _ := strings.Cut(strings.SplitN(dn, ",", 2)[0], "=")
		fmt.Fprintf(&ldif, "dn: %s\nobjectClass: referral\nobjectClass: extensibleObject\n%s: %s\nref: ldap://%s/%s\n\n", dn, name, value, elsewhere.Addr(), dn)
	}
	add.Stdin = strings.NewReader(ldif.String())
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, c := range map[string]struct{ words, typed string }{
		"a search":       {serviceWords, "guest"},
		"a bind by a DN": {"bind_as absolute\nbase_dn " + slapd.Base, "uid=guest,ou=people," + slapd.Base},
		"below it":       {"bind_as absolute\nbase_dn " + slapd.Base, "uid=anna,ou=elsewhere,ou=people," + slapd.Base},
	} {
		s := people(t, server, c.words, "")
		got := curl(t, "--basic", "-u", c.typed+":Secr3t-anna", s.HTTP+"/")
		if got.Status != 401 && (got.Status != 503 || len(got.Challenges) > 0) {
			t.Errorf("%s: got %d %s, reason %s", name, got.Status, got.Body, s.reason(t))
		}
		if name == "a search" { // the others are found beside it
			if got := curl(t, "--basic", "-u", "anna:Secr3t-anna", s.HTTP+"/"); got.Status != 200 {
				t.Errorf("somebody else: got %d, reason %s", got.Status, s.reason(t))
			}
		}
		t.Logf("%s: %d %s", name, got.Status, s.reason(t))
	}
	if n := calls.Load(); n > 0 {
		t.Errorf("the other host was called %d times", n)
	}
}

// TestOutOfDescriptors: threats E-07. A Caddy that may open no more files is a 503
// or a closed door, never a 401 or somebody's way in, and serves again when there
// are some.
func TestOutOfDescriptors(t *testing.T) {
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	dir := servers.Dir(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	conf := configure(t, dir, `{
	admin off
	persist_config off
	auto_https off
	ldap EXAMPLE {
		server {{.Server}}
		tls {
			trust_pool file {{.CA}}
		}
	}
}
http://{{.Address}} {
	bind 127.0.0.1
{{.Body}}
}
`, map[string]string{"Server": domain.LDAPS(1), "CA": domain.CA(), "Address": address, "Body": whoami})
	const files = 48
	runServer(t, dir, address, "prlimit", fmt.Sprintf("--nofile=%d:%d", files, files), binary, "run", "--adapter", "caddyfile", "--config", conf)
	ask := func() answer {
		return curl(t, "--max-time", "12", "--basic", "-u", "alice:Secr3t-alice", "http://"+address+"/")
	}
	if got := ask(); got.Status != 200 {
		t.Fatalf("with descriptors: got %d", got.Status)
	}
	last := dial(t, "http://"+address) // is answered while nobody else is let in
	hold := make([]net.Conn, 0, files)
	for range files {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			hold = append(hold, conn)
		}
	}
	time.Sleep(200 * time.Millisecond)
	negotiate, _ := messages(t)
	if status, challenge := last.ntlm(t, negotiate); status != 503 || challenge != nil {
		t.Errorf("without descriptors: got %d, a Type 2 %v; want 503", status, challenge != nil)
	}
	for _, conn := range hold {
		conn.Close()
	}
	for mended := time.Now(); ask().Status != 200; time.Sleep(100 * time.Millisecond) {
		if time.Since(mended) > 10*time.Second {
			t.Fatal("not served 10 s after there were descriptors again")
		}
	}
}
