package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// What every verifier of NTLM and passwords is asked, whatever it asks controllers by.

// wayIn is how somebody gets in by curl, and who that is.
type wayIn struct {
	name, sam, scheme string
	args              []string
}

// getsIn lets people with the right password come by each client.
func getsIn(t *testing.T, s *site, want func(sam, scheme string) string, more ...wayIn) {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("EXAMPLE:alice:Secr3t-alice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NTLM_USER_FILE", users)
	t.Setenv("KRB5_CONFIG", os.DevNull)
	for _, c := range append(more, []wayIn{
		{"NTLM", "alice", "ntlm", []string{"--ntlm", "-u", "alice:Secr3t-alice"}},
		{"NTLM with domain", "alice", "ntlm", []string{"--ntlm", "-u", `EXAMPLE\alice:Secr3t-alice`}},
		{"NTLM with DNS domain", "alice", "ntlm", []string{"--ntlm", "-u", `example.test\alice:Secr3t-alice`}},
		{"NTLM by UPN", "alice", "ntlm", []string{"--ntlm", "-u", "alice@example.test:Secr3t-alice"}},
		{"NTLM in capitals", "alice", "ntlm", []string{"--ntlm", "-u", `example\ALICE:Secr3t-alice`}},
		{"Basic", "alice", "basic", []string{"--basic", "-u", "alice:Secr3t-alice"}},
		{"Basic with domain", "alice", "basic", []string{"--basic", "-u", `EXAMPLE\alice:Secr3t-alice`}},
		{"Basic by UPN", "alice", "basic", []string{"--basic", "-u", "alice@example.test:Secr3t-alice"}},
		{"Basic, umlauts", "müller", "basic", []string{"--basic", "-u", "müller:" + lab.Account("müller").Password}},
		{"Basic, umlauts in the password", "frank", "basic", []string{"--basic", "-u", "frank:" + lab.Account("frank").Password}},
		{"Negotiate by gss-ntlmssp, which asks for signing", "alice", "negotiate", []string{"--negotiate", "-u", ":"}},
	}...) {
		t.Run(c.name, func(t *testing.T) {
			if got := curl(t, append(c.args, s.HTTP+"/")...); got.Status != http.StatusOK || got.Body != want(c.sam, c.scheme) {
				t.Errorf("got %d %s, want %s; reason %s: %s", got.Status, got.Body, want(c.sam, c.scheme), s.reason(t), s.refusal(t).text("error"))
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
			if response.StatusCode != 200 || got != want(name, "negotiate") && got != want(name, "ntlm") {
				t.Errorf("go-ntlmssp, %s: got %d %s; reason %s", name, response.StatusCode, got, s.reason(t))
			}
		}
	}
}

// saysNo is a log-in that a controller refuses, and the reason in the log.
type saysNo struct{ user, password, reason string }

// noes are the refusals that all have in common; "protected" is to be made.
func noes(t *testing.T) map[string]saysNo {
	t.Helper()
	newUser(t, "protected", "Secr3t-protected")
	membership(t, "addmembers", "Protected Users", "protected")
	return map[string]saysNo{
		"wrong":       {`EXAMPLE\alice`, "wrong", "bad_credentials"},
		"unknown":     {`EXAMPLE\nobody`, "wrong", "bad_credentials"},
		"locked":      {`EXAMPLE\locked`, "Secr3t-locked", "locked"},
		"disabled":    {`EXAMPLE\disabled`, "Secr3t-disabled", "disabled"},
		"expired":     {`EXAMPLE\expired`, "Secr3t-expired", "account_expired"},
		"pwexpired":   {`EXAMPLE\pwexpired`, "Secr3t-pwexpired", "password_expired"},
		"must change": {`EXAMPLE\mustchange`, "Secr3t-mustchange", "must_change"},
		"hours":       {`EXAMPLE\hours`, "Secr3t-hours", "logon_hours"},
		"workstation": {`EXAMPLE\elsewhere`, "Secr3t-elsewhere", "workstation"},
		"protected":   {`EXAMPLE\protected`, "Secr3t-protected", "restriction"},
	}
}

// unasked is a Type 3 about which no controller is asked.
type unasked struct {
	name, reason string
	message      func(challenge []byte) []byte
}

// refusesUnasked shows that what is refused before the controller is asked does not
// count as a wrong password there, of an account that has a lockout threshold: of
// others none are counted. A wrong password does, so the count is one that moves.
func refusesUnasked(t *testing.T, s *site, more ...unasked) {
	t.Helper()
	t.Cleanup(func() {
		if err := domain.Unlock("fragile"); err != nil {
			t.Error(err)
		}
	})
	before := wrongPasswords(t, "fragile")
	negotiate, _ := messages(t)
	for _, c := range append(more, []unasked{
		{"anonymous", "anonymous", anonymousType3},
		{"NTLMv1", "ntlmv1_refused", func(challenge []byte) []byte { return v1Type3(challenge, "fragile", "EXAMPLE") }},
		{"a NUL", "bad_name", func(challenge []byte) []byte { return v2Type3(challenge, "fragile\x00", "EXAMPLE") }},
	}...) {
		conn := dial(t, s.HTTP)
		_, challenge := conn.ntlm(t, negotiate)
		if challenge == nil {
			t.Fatal("no Type 2")
		}
		if status, _ := conn.ntlm(t, c.message(challenge)); status != 401 || s.reason(t) != c.reason {
			t.Errorf("%s: got %d, reason %s, want 401, %s", c.name, status, s.reason(t), c.reason)
		}
		if status := conn.get(t, "/"); status != 401 {
			t.Errorf("%s, afterwards: got %d, want 401", c.name, status)
		}
	}
	for _, password := range []string{"", " ", "\t"} {
		got := curl(t, "--basic", "-u", "fragile:"+password, s.HTTP+"/")
		if got.Status != 401 || s.reason(t) != "empty_password" {
			t.Errorf("password %q: got %d, reason %s", password, got.Status, s.reason(t))
		}
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

func wrongPasswords(t *testing.T, sam string) int {
	t.Helper()
	n, err := domain.BadPasswordCount(1, sam)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// outlastsBoth stops the second controller, when the first is down, and starts both
// again: while both are down nobody is asked for a password, and then log-ins go on.
// reason is the one in the log, "" for any.
func outlastsBoth(t *testing.T, s *site, reason string) {
	t.Helper()
	stop(t, 2)
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/")
		if got.Status != 503 || len(got.Challenges) > 0 || reason != "" && s.reason(t) != reason || s.hint(t) == "" || got.Duration > 10*time.Second {
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
