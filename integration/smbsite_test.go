package integration

import (
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
	getsIn(t, s, func(sam, scheme string) string { return who(t, sam, scheme, "smb") },
		wayIn{"NTLM by a UPN of another suffix", "upnsam", "ntlm", []string{"--ntlm", "-u", "upn.user@other.example:Secr3t-upnsam"}})
	if got := s.server(t); !strings.HasSuffix(got, ":445") && !strings.HasSuffix(got, ":636") {
		t.Errorf("the log names %q and no controller", got)
	}
}

// TestSMBSiteRefusals: each no of the controller's has its reason, and none is a
// technical failure. A name of another domain is refused, though the controller
// would let its password in.
func TestSMBSiteRefusals(t *testing.T) {
	rows := noes(t)
	rows["other domain"] = saysNo{`OTHER\alice`, "Secr3t-alice", "identity_mismatch"}
	rows["this machine"] = saysNo{`.\alice`, "Secr3t-alice", "identity_mismatch"}
	rows["implicit UPN"] = saysNo{`bob@example.test`, "Secr3t-bob", "not_found"}
	s := start(t, siteConfig{LDAP: smbWords(), Body: unthrottled})
	for name, c := range rows {
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
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: smbWords(), Body: unthrottled})
	refusesUnasked(t, s,
		unasked{"another domain", "identity_mismatch", func(challenge []byte) []byte { return v2Type3(challenge, "fragile", "OTHER") }},
		unasked{"said to be OEM", "bad_name", func(challenge []byte) []byte { return flagged(v2Type3(challenge, "fragile", "EXAMPLE"), 2, 1) }},
	)
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
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: smbWords(), Body: unthrottled})
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
	outlastsBoth(t, s, "")
}
