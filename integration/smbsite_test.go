package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// smbWords are a directory's words for log-ins by SMB session setup, and no other
// verifier.
func smbWords() string {
	return `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password + "\nverify smb insecure_unverified_answer"
}

// TestSMBSite: features A9. Whoever has the right password gets in by each client,
// and who that is the directory says, while it takes no NTLM over LDAP at all.
func TestSMBSite(t *testing.T) {
	strongAuth(t, "yes")
	t.Cleanup(func() { strongAuth(t, "allow_sasl_over_tls") })
	s := start(t, siteConfig{LDAP: smbWords(), Body: whoami})
	if e := s.waitLog(t, "the configuration gives protection away"); e.text("word") != "insecure_unverified_answer" && e.text("word") != "service_account" || e.text("level") != "warn" {
		t.Errorf("got %v, want a warning", e)
	}
	s.awaitLine(t, "self-test: all is well")
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("EXAMPLE:alice:Secr3t-alice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NTLM_USER_FILE", users)
	t.Setenv("KRB5_CONFIG", os.DevNull)
	for _, c := range []struct {
		name, sam, scheme string
		args              []string
	}{
		{"NTLM", "alice", "ntlm", []string{"--ntlm", "-u", "alice:Secr3t-alice"}},
		{"NTLM with domain", "alice", "ntlm", []string{"--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`}},
		{"NTLM with DNS domain", "alice", "ntlm", []string{"--ntlm", "-u", `example.test\alice:Secr3t-alice`}},
		{"NTLM by UPN", "alice", "ntlm", []string{"--ntlm", "-u", "alice@example.test:Secr3t-alice"}},
		{"NTLM by a UPN of another suffix", "upnsam", "ntlm", []string{"--ntlm", "-u", "upn.user@other.example:Secr3t-upnsam"}},
		{"NTLM in capitals", "alice", "ntlm", []string{"--ntlm", "-u", `example\ALICE:Secr3t-alice`}},
		{"Basic", "alice", "basic", []string{"--basic", "-u", "alice:Secr3t-alice"}},
		{"Basic with domain", "alice", "basic", []string{"--basic", "-u", `EXAMPLE\alice:Secr3t-alice`}},
		{"Basic by UPN", "alice", "basic", []string{"--basic", "-u", "alice@example.test:Secr3t-alice"}},
		{"Basic, umlauts", "müller", "basic", []string{"--basic", "-u", "müller:" + lab.Account("müller").Password}},
		{"Basic, umlauts in the password", "frank", "basic", []string{"--basic", "-u", "frank:" + lab.Account("frank").Password}},
		{"Negotiate by gss-ntlmssp, which asks for signing", "alice", "negotiate", []string{"--negotiate", "-u", ":"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := curl(t, append(c.args, s.HTTP+"/")...); got.Status != http.StatusOK || got.Body != who(t, c.sam, c.scheme, "smb") {
				t.Errorf("got %d %s, want %s; reason %s: %s", got.Status, got.Body, who(t, c.sam, c.scheme, "smb"), s.reason(t), s.refusal(t).text("error"))
			}
		})
	}
	for name, user := range map[string]string{"alice": `EXAMPLE\alice`, "müller": `EXAMPLE\müller`} {
		for _, base := range []string{s.HTTP, s.HTTPS} {
			request, err := http.NewRequest(http.MethodGet, base+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.SetBasicAuth(user, lab.Account(name).Password)
			response, err := ntlmClient(t).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got := bodyOf(t, response)
			if response.StatusCode != 200 || got != who(t, name, "negotiate", "smb") && got != who(t, name, "ntlm", "smb") {
				t.Errorf("go-ntlmssp, %s: got %d %s; reason %s", name, response.StatusCode, got, s.reason(t))
			}
		}
	}
	if got := s.server(t); !strings.HasSuffix(got, ":445") && !strings.HasSuffix(got, ":636") {
		t.Errorf("the log names %q and no controller", got)
	}
}

// TestSMBSiteRefusals: each no of the controller's has its reason, and none is a
// technical failure. A name of another domain is refused, though the controller
// would let its password in.
func TestSMBSiteRefusals(t *testing.T) {
	newUser(t, "protected", "Secr3t-protected")
	membership(t, "addmembers", "Protected Users", "protected")
	s := start(t, siteConfig{LDAP: smbWords(), Body: whoami})
	for name, c := range map[string]struct{ user, password, reason string }{
		"wrong":        {`EXAMPLE\alice`, "wrong", "bad_credentials"},
		"unknown":      {`EXAMPLE\nobody`, "wrong", "bad_credentials"},
		"other domain": {`OTHER\alice`, "Secr3t-alice", "identity_mismatch"},
		"this machine": {`.\alice`, "Secr3t-alice", "identity_mismatch"},
		"implicit UPN": {`bob@example.test`, "Secr3t-bob", "not_found"},
		"locked":       {`EXAMPLE\locked`, "Secr3t-locked", "locked"},
		"disabled":     {`EXAMPLE\disabled`, "Secr3t-disabled", "disabled"},
		"expired":      {`EXAMPLE\expired`, "Secr3t-expired", "account_expired"},
		"pwexpired":    {`EXAMPLE\pwexpired`, "Secr3t-pwexpired", "password_expired"},
		"must change":  {`EXAMPLE\mustchange`, "Secr3t-mustchange", "must_change"},
		"hours":        {`EXAMPLE\hours`, "Secr3t-hours", "logon_hours"},
		"workstation":  {`EXAMPLE\elsewhere`, "Secr3t-elsewhere", "workstation"},
		"protected":    {`EXAMPLE\protected`, "Secr3t-protected", "restriction"},
	} {
		for _, scheme := range []string{"--ntlm", "--basic"} {
			want := 401
			if c.reason == "not_found" && scheme == "--ntlm" {
				want = 403 // proven, and nobody here
			}
			got := curl(t, scheme, "-u", c.user+":"+c.password, s.HTTP+"/")
			if got.Status != want || s.reason(t) != c.reason {
				t.Errorf("%s, %s: got %d, reason %s %s, want %d, %s", name, scheme, got.Status, s.reason(t), s.refusal(t).text("error"), want, c.reason)
			}
		}
	}
}

// TestSMBSiteUnasked: what is refused before a controller is asked does not count as
// a wrong password there, and what is not counts once.
func TestSMBSiteUnasked(t *testing.T) {
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: smbWords(), Body: whoami})
	t.Cleanup(func() {
		if err := domain.Unlock("fragile"); err != nil {
			t.Error(err)
		}
	})
	before := wrongPasswords(t, "fragile")
	negotiate, _ := messages(t)
	for name, c := range map[string]struct {
		reason  string
		message func(challenge []byte) []byte
	}{
		"anonymous":      {"anonymous", anonymousType3},
		"NTLMv1":         {"ntlmv1_refused", func(challenge []byte) []byte { return v1Type3(challenge, "fragile", "EXAMPLE") }},
		"a NUL":          {"bad_name", func(challenge []byte) []byte { return v2Type3(challenge, "fragile\x00", "EXAMPLE") }},
		"another domain": {"identity_mismatch", func(challenge []byte) []byte { return v2Type3(challenge, "fragile", "OTHER") }},
		"said to be OEM": {"bad_name", func(challenge []byte) []byte { return flagged(v2Type3(challenge, "fragile", "EXAMPLE"), 2, 1) }},
	} {
		conn := dial(t, s.HTTP)
		_, challenge := conn.ntlm(t, negotiate)
		if challenge == nil {
			t.Fatal("no Type 2")
		}
		if status, _ := conn.ntlm(t, c.message(challenge)); status != 401 || s.reason(t) != c.reason {
			t.Errorf("%s: got %d, reason %s, want 401, %s", name, status, s.reason(t), c.reason)
		}
		if status := conn.get(t, "/"); status != 401 {
			t.Errorf("%s, afterwards: got %d, want 401", name, status)
		}
	}
	if got := curl(t, "--basic", "-u", "fragile:", s.HTTP+"/"); got.Status != 401 || s.reason(t) != "empty_password" {
		t.Errorf("an empty password: got %d, reason %s", got.Status, s.reason(t))
	}
	if got := wrongPasswords(t, "fragile"); got != before {
		t.Errorf("the controller was asked: %d wrong passwords, want %d", got, before)
	}
	for i, scheme := range []string{"--ntlm", "--basic"} {
		curl(t, scheme, "-u", "fragile:wrong", s.HTTP+"/")
		if got := wrongPasswords(t, "fragile"); got != before+i+1 {
			t.Errorf("a wrong password, %s: the controller counts %d, want %d", scheme, got, before+i+1)
		}
	}
}

// flagged sets and clears flags of a message's low byte.
func flagged(message []byte, set, unset byte) []byte {
	message[60] = message[60]&^unset | set
	return message
}

// TestSMBSiteReadsNamesOneWay: dave's name in one character set is somebody else's in
// another. A controller goes by what was negotiated, and the name in the message
// is all that is known of who logs in.
func TestSMBSiteReadsNamesOneWay(t *testing.T) {
	const other = "慤敶" // in UTF-16 the bytes of "dave"
	newUser(t, other, "Secr3t-other")
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: smbWords(), Body: whoami})
	for name, c := range map[string]struct {
		change func(third []byte)
		status int
		reason string
	}{
		"OEM as agreed":      {func([]byte) {}, 200, ""},
		"said to be Unicode": {func(third []byte) { flagged(third, 1, 2) }, 401, "bad_token"},
	} {
		t.Run(name, func(t *testing.T) {
			dave := &ntlm.Client{User: "dave", Password: lab.Account("dave").Password}
			first := dave.Negotiate()
			first[12] &^= 1 // NTLMSSP_NEGOTIATE_UNICODE
			conn := dial(t, s.HTTP)
			_, challenge := conn.ntlm(t, first)
			if challenge == nil {
				t.Fatalf("no Type 2; reason %s", s.reason(t))
			}
			third, err := dave.Authenticate(challenge)
			if err != nil {
				t.Fatal(err)
			}
			c.change(third)
			clear(third[72:88])
			mic := ntlm.MIC(dave.SessionKey(), first, challenge, third)
			copy(third[72:], mic[:])
			if status, _ := conn.ntlm(t, third); status != c.status || c.status != 200 && s.reason(t) != c.reason {
				t.Errorf("got %d, reason %s %s, want %d %s", status, s.reason(t), s.refusal(t).text("error"), c.status, c.reason)
			}
			if c.status == 200 {
				return
			}
			if status := conn.get(t, "/"); status != 401 {
				t.Errorf("afterwards: got %d, want 401", status)
			}
		})
	}
}

// TestSMBSiteReplay: threats B-01, B-02, B-16. A Type 3 is good once, on its own
// connection, and unchanged.
func TestSMBSiteReplay(t *testing.T) {
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: smbWords(), Body: whoami})
	negotiate, authenticate := messages(t)
	victim, thief := dial(t, s.HTTP), dial(t, s.HTTP)
	_, challenge := victim.ntlm(t, negotiate)
	if challenge == nil {
		t.Fatalf("no Type 2; reason %s", s.reason(t))
	}
	third := authenticate(challenge)
	if status, _ := thief.ntlm(t, third); status != 401 || s.reason(t) != "state" {
		t.Errorf("without a handshake: got %d, reason %s, want 401 and state", status, s.reason(t))
	}
	if _, other := thief.ntlm(t, negotiate); other == nil || string(other[24:32]) == string(challenge[24:32]) {
		t.Errorf("got the challenge % x twice, or none", other)
	}
	if status, _ := thief.ntlm(t, third); status != 401 {
		t.Errorf("to another challenge: got %d, reason %s, want 401", status, s.reason(t))
	}
	if status, _ := victim.ntlm(t, third); status != 200 {
		t.Errorf("its owner: got %d, reason %s, want 200", status, s.reason(t))
	}
	if status, _ := victim.ntlm(t, third); status != 401 {
		t.Errorf("once more: got %d, want 401", status)
	}
	client := signing()
	changed := dial(t, s.HTTP)
	_, challenge = changed.ntlm(t, client.Negotiate())
	third, err := client.Authenticate(challenge)
	if err != nil {
		t.Fatal(err)
	}
	third[72] ^= 1
	if status, _ := changed.ntlm(t, third); status != 401 || s.reason(t) != "bad_token" {
		t.Errorf("another message integrity code: got %d, reason %s, want 401 and bad_token", status, s.reason(t))
	}
}

// TestSMBSiteProtection: Chromium's log-in, bound to the connection and signed with a
// message integrity code, passes the controller as it is, and is held to the
// connection here; curl's is not.
func TestSMBSiteProtection(t *testing.T) {
	s := start(t, siteConfig{LDAP: smbWords(), Body: strings.Replace(whoami, "insecure_basic", "extended_protection require", 1)})
	status, text := visit(t, browser(t, `EXAMPLE\alice`, "Secr3t-alice", 2), s.HTTPS+"/")
	if want := who(t, "alice", "ntlm", "smb"); status != 200 || text != want && text != who(t, "alice", "negotiate", "smb") {
		t.Errorf("Chromium: got %d %s, want %s; reason %s %s", status, text, want, s.reason(t), s.refusal(t).text("error"))
	}
	if got := curl(t, "--http1.1", "--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`, s.HTTPS+"/"); got.Status != 401 || s.reason(t) != "epa" {
		t.Errorf("curl: got %d, reason %s, want 401 and epa", got.Status, s.reason(t))
	}
}

// TestSMBSiteHalfOpen: threats B-03, B-04. A half-open handshake holds a connection to
// the controller until its time is up, and no more than max_pending of them; when
// somebody is in, none is left.
func TestSMBSiteHalfOpen(t *testing.T) {
	const timeout = 2 * time.Second
	controller := domain.Addr(1) + ":445"
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1), LDAP: smbWords(),
		Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\thandshake_timeout " + timeout.String() + "\n\t\tmax_pending 2\n\t}\n\trespond \"{http.auth.user.sam}\"\n",
	})
	s.awaitLine(t, "self-test")
	awaitSockets(t, controller, 0, 5*time.Second)
	negotiate, _ := messages(t)
	for range 2 {
		if status, challenge := dial(t, s.HTTP).ntlm(t, negotiate); status != 401 || challenge == nil {
			t.Fatalf("got %d, reason %s, want a Type 2", status, s.reason(t))
		}
	}
	if got := socketsTo(t, controller); got != 2 {
		t.Errorf("half open: got %d connections to the controller, want 2", got)
	}
	if status, _ := dial(t, s.HTTP).ntlm(t, negotiate); status != 503 || s.reason(t) != "too_many_pending" {
		t.Errorf("one more: got %d, reason %s, want 503 and too_many_pending", status, s.reason(t))
	}
	awaitSockets(t, controller, 0, timeout+3*time.Second)
	if got := dial(t, s.HTTP).logIn(t, "alice"); got != 200 {
		t.Errorf("got %d, reason %s, want 200", got, s.reason(t))
	}
	awaitSockets(t, controller, 0, 3*time.Second)
}

// TestSMBSiteFailover: the first controller goes down, then both, then one comes back.
func TestSMBSiteFailover(t *testing.T) {
	s := start(t, siteConfig{LDAP: smbWords(), Body: whoami})
	in := func(when string) {
		t.Helper()
		for _, scheme := range []string{"--ntlm", "--basic"} {
			if got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/"); got.Status != 200 || got.Duration > 3*time.Second {
				t.Errorf("%s, %s: got %d after %v, want 200 within 3 s; reason %s %s", when, scheme, got.Status, got.Duration, s.reason(t), s.refusal(t).text("error"))
			}
		}
	}
	in("both up")
	stop(t, 1)
	in("the first down")
	stop(t, 2)
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/")
		if got.Status != 503 || len(got.Challenges) > 0 || s.hint(t) == "" || got.Duration > 10*time.Second {
			t.Errorf("both down, %s: got %d after %v, challenges %q, reason %s, want 503 and none", scheme, got.Status, got.Duration, got.Challenges, s.reason(t))
		}
	}
	startDC(t, 2)
	for back := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if got := curl(t, "--ntlm", "-u", "bob:Secr3t-bob", s.HTTP+"/"); got.Status == 200 {
			break
		}
		if time.Since(back) > 10*time.Second {
			t.Fatalf("the second controller is back and not used; reason %s %s", s.reason(t), s.refusal(t).text("error"))
		}
	}
	startDC(t, 1)
}
