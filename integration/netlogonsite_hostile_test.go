package integration

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// signing is a client of NTLM that asks for signing and sends a message integrity
// code.
func signing() *ntlm.Client {
	return &ntlm.Client{User: "alice", Domain: "EXAMPLE", Workstation: "DESK", Password: "Secr3t-alice", Flags: ntlm.NegotiateSign}
}

// TestNetlogonSiteMIC: threats B-16. A message that was changed on the way, and one
// whose code was taken away, opens nothing, though the controller says yes to the
// response in it; the account's password counts as right, and the log says what
// happened.
func TestNetlogonSiteMIC(t *testing.T) {
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: whoami})
	const (
		micAt       = 72
		workstation = 44 // its descriptor
	)
	for name, c := range map[string]struct {
		first  func([]byte) // changes the Type 1 that the site sees
		third  func([]byte)
		status int
	}{
		"as it was":             {status: 200},
		"another code":          {third: func(m []byte) { m[micAt] ^= 1 }, status: 401},
		"the code of zeros":     {third: func(m []byte) { clear(m[micAt : micAt+16]) }, status: 401},
		"another workstation":   {third: func(m []byte) { m[int(m[workstation+4])] ^= 1 }, status: 401},
		"another session key":   {third: func(m []byte) { m[len(m)-1] ^= 1 }, status: 401},
		"another Type 1":        {first: func(m []byte) { m[12] ^= 0x10 }, status: 401},
		"its flags, on the way": {third: func(m []byte) { m[60] ^= 0x10 }, status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			client := signing()
			first := client.Negotiate()
			sent := append([]byte(nil), first...)
			if c.first != nil {
				c.first(sent)
			}
			conn := dial(t, s.HTTP)
			_, challenge := conn.ntlm(t, sent)
			if challenge == nil {
				t.Fatalf("no Type 2; reason %s", s.reason(t))
			}
			third, err := client.Authenticate(challenge)
			if err != nil {
				t.Fatal(err)
			}
			if c.third != nil {
				c.third(third)
			}
			status, _ := conn.ntlm(t, third)
			if status != c.status || status == 401 && (s.reason(t) != "bad_token" || s.hint(t) == "" || !strings.Contains(s.refusal(t).text("error"), "message integrity code")) {
				t.Errorf("got %d, reason %s: %s, want %d", status, s.reason(t), s.refusal(t).text("error"), c.status)
			}
			if got := conn.get(t, "/"); got != c.status {
				t.Errorf("the connection afterwards: got %d, want %d", got, c.status)
			}
		})
	}
}

// TestNetlogonSiteReplay: threats B-01, B-02. A Type 3 is good once, on its own
// connection, and every challenge is another.
func TestNetlogonSiteReplay(t *testing.T) {
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: unthrottled})
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
	if status, _ := thief.ntlm(t, third); status != 401 || s.reason(t) != "bad_credentials" {
		t.Errorf("to another challenge: got %d, reason %s, want 401 and bad_credentials", status, s.reason(t))
	}
	if status, _ := victim.ntlm(t, third); status != 200 {
		t.Errorf("its owner: got %d, reason %s, want 200", status, s.reason(t))
	}
	if status, _ := victim.ntlm(t, third); status != 401 {
		t.Errorf("once more: got %d, want 401", status)
	}
}

// TestNetlogonSiteUnasked: what is refused before a controller is asked does not
// count as a wrong password there.
func TestNetlogonSiteUnasked(t *testing.T) {
	refusesUnasked(t, start(t, siteConfig{LDAP: netlogonWords(), Body: unthrottled}))
}

// TestNetlogonSiteSigns: threats B-14. MIT's library with gss-ntlmssp signs its list of
// mechanisms, and is content with the signature that it gets for it.
func TestNetlogonSiteSigns(t *testing.T) {
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: whoami})
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("EXAMPLE:alice:Secr3t-alice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := initiator(t, append(os.Environ(), "NTLM_USER_FILE="+users, "KRB5_CONFIG="+os.DevNull), s.HTTP+"/", "ntlm")
	if len(got) != 4 || got[0] != "200" || got[1] != "complete" {
		t.Fatalf("got %v, want 200 complete; reason %s: %s", got, s.reason(t), s.refusal(t).text("error"))
	}
	raw, err := base64.StdEncoding.DecodeString(got[3])
	if err != nil {
		t.Fatal(err)
	}
	if end, err := spnego.ParseResp(raw); err != nil || len(end.MechListMIC) != ntlm.SignatureLen {
		t.Errorf("got %+v, %v, want our signature", end, err)
	}
}

// TestNetlogonSiteProtection: Chromium's log-in is bound to the connection and signed
// with a message integrity code, and gets in where that is required; curl's is not.
func TestNetlogonSiteProtection(t *testing.T) {
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: strings.Replace(whoami, "insecure_basic", "extended_protection require", 1)})
	t.Run("Chromium", func(t *testing.T) {
		status, text := visit(t, browser(t, `EXAMPLE\alice`, "Secr3t-alice", 2), s.HTTPS+"/")
		if want := told(t, "alice", "ntlm"); status != 200 || text != want && text != told(t, "alice", "negotiate") {
			t.Errorf("got %d %s, want %s; reason %s %s", status, text, want, s.reason(t), s.refusal(t).text("error"))
		}
	})
	t.Run("curl", func(t *testing.T) {
		got := curl(t, "--http1.1", "--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`, s.HTTPS+"/")
		if got.Status != 401 || s.reason(t) != "epa" {
			t.Errorf("got %d, reason %s, want 401 and epa", got.Status, s.reason(t))
		}
	})
	t.Run("a server in between", func(t *testing.T) {
		stolen := between(t, s.HTTPS)
		visitAny(browser(t, `EXAMPLE\alice`, "Secr3t-alice", 2), stolen.url)
		if strings.Contains(stolen.page(), "alice") || !stolen.passed() || s.reason(t) != "epa" {
			t.Errorf("the server in between got %q, reason %s, want nothing and epa", stolen.page(), s.reason(t))
		}
	})
}

// TestNetlogonSiteFailover: threats E-04. The first controller is killed under load,
// then both are, then they come back.
func TestNetlogonSiteFailover(t *testing.T) {
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: unthrottled})
	in := func(when string, n int) {
		t.Helper()
		for _, scheme := range []string{"--ntlm", "--basic"} {
			got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/")
			if got.Status != 200 || got.Duration > 3*time.Second || s.server(t) != domain.Addr(n)+":135" {
				t.Errorf("%s, %s: got %d by %s after %v, want 200 by the %d. within 3 s; reason %s %s", when, scheme, got.Status, s.server(t), got.Duration, n, s.reason(t), s.refusal(t).text("error"))
			}
		}
	}
	in("both up", 1)
	surround(t, s, func() { stop(t, 1) })
	in("the first down", 2)
	outlastsBoth(t, s, "unavailable")
}

// TestNetlogonSiteHangs: the first controller accepts connections and answers
// nothing: its open channel, and new ones, cost three seconds, once it is known none.
func TestNetlogonSiteHangs(t *testing.T) {
	s := start(t, siteConfig{LDAP: netlogonWords(), Body: whoami})
	if got := curl(t, "--ntlm", "-u", "bob:Secr3t-bob", s.HTTP+"/"); got.Status != 200 {
		t.Fatalf("got %d, reason %s", got.Status, s.reason(t))
	}
	do(t, "freezing dc1", func() error { return domain.Freeze(1) })
	t.Cleanup(func() { do(t, "thawing dc1", func() error { return domain.Thaw(1) }) })
	for began := time.Now(); ; {
		got := curl(t, "--ntlm", "-u", "bob:Secr3t-bob", s.HTTP+"/")
		if got.Status != 200 || got.Duration > 5*time.Second || s.server(t) != domain.Addr(2)+":135" {
			t.Errorf("got %d by %s after %v, want 200 by the second within 5 s; reason %s", got.Status, s.server(t), got.Duration, s.reason(t))
		}
		if got.Duration < time.Second {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("log-ins still wait for the first")
		}
	}
}

// TestNetlogonSiteRotation: the machine's password is changed in the domain, and then
// in the file: the open channel goes on, a new one needs the new password, and
// nobody reloads anything.
func TestNetlogonSiteRotation(t *testing.T) {
	do(t, "creating TURN02", func() error { return domain.SambaTool(1, "computer", "create", "TURN02") })
	t.Cleanup(func() { _ = domain.SambaTool(1, "computer", "delete", "TURN02") })
	setPassword(t, "TURN02$", "Secr3t-turn-1")
	file := filepath.Join(t.TempDir(), "turn02")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("Secr3t-turn-1")
	s := start(t, siteConfig{Servers: domain.LDAPS(1), LDAP: "verify netlogon TURN02$ {file." + file + "}", Body: whoami})
	want := func(when string, status int, reason string) {
		t.Helper()
		got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/")
		if got.Status != status || status != 200 && s.reason(t) != reason {
			t.Errorf("%s: got %d, reason %s %s, want %d %s", when, got.Status, s.reason(t), s.refusal(t).text("error"), status, reason)
		}
	}
	want("at first", 200, "")
	setPassword(t, "TURN02$", "Secr3t-turn-2")
	want("changed, on the open channel", 200, "")
	stop(t, 1)
	startDC(t, 1)
	time.Sleep(sweep)
	want("changed, on a new channel", 503, "secure_channel")
	put("Secr3t-turn-2")
	time.Sleep(sweep)
	want("and in the file", 200, "")
}

// sweep is more than the pause after which a controller that is aside is tried again.
const sweep = 1200 * time.Millisecond

// TestNetlogonSiteGroups: nested groups and hundreds of them decide by SID, and by
// name where a service account looks them up.
func TestNetlogonSiteGroups(t *testing.T) {
	rule := func(words string) string {
		return strings.Replace(whoami, "insecure_basic", "insecure_basic\n\t\trequire "+words, 1)
	}
	service := "\nservice_account EXAMPLE\\svc-web Secr3t-svc-web"
	for _, c := range []struct {
		name, sam, rule, words string
		want                   int
	}{
		{"one of 300 groups, by SID", "many", "sid " + sidOf(t, "bulk-300"), "", 200},
		{"a nested one, by SID", "carol", "sid " + sidOf(t, "Nest C"), "", 200},
		{"not in it", "bob", "sid " + sidOf(t, "Nest C"), "", 403},
		{"by name, which nobody looks up", "carol", `group "Nest C"`, "", 403},
		{"by name", "carol", `group "Nest C"`, service, 200},
		{"by name, one of 300", "many", `group "bulk-300"`, service, 200},
		{"not in it, by name", "bob", `group "Nest C"`, service, 403},
		{"umlauts", "müller", `group "Führung"`, service, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, siteConfig{LDAP: netlogonWords() + c.words, Body: rule(c.rule)})
			got := curl(t, "--basic", "-u", c.sam+":"+lab.Account(c.sam).Password, s.HTTP+"/")
			want := told(t, c.sam, "basic")
			if c.words != "" {
				want = who(t, c.sam, "basic", "netlogon")
			}
			if got.Status != c.want || got.Status == 200 && got.Body != want {
				t.Errorf("got %d %s, want %d %s; reason %s %s", got.Status, got.Body, c.want, want, s.reason(t), s.refusal(t).text("error"))
			}
		})
	}
}
