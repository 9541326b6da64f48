package integration

import (
	"testing"

	"github.com/Azure/go-ntlmssp"
)

// TestLDAPSigning: threats part 8, result 8. What a controller that wants
// signing takes, over TLS and without, and what it is told to the client and
// the administrator where it takes nothing.
func TestLDAPSigning(t *testing.T) {
	t.Cleanup(func() { strongAuth(t, "allow_sasl_over_tls") })
	plain, secure := domain.LDAP(1), domain.LDAPS(1)
	for _, test := range []struct {
		name, setting, server string
		want                  map[string]int
	}{
		{"as Samba is at first, without TLS", "allow_sasl_over_tls", plain, map[string]int{"ntlm": 503, "basic": 503}},
		{"wanted of everybody, over TLS", "yes", secure, map[string]int{"ntlm": 503, "basic": 200}},
		{"wanted of nobody, without TLS", "no", plain, map[string]int{"ntlm": 200, "basic": 200}},
	} {
		t.Run(test.name, func(t *testing.T) {
			strongAuth(t, test.setting)
			words := ""
			if test.server == plain {
				words = "\t\tinsecure_plaintext"
			}
			s := start(t, siteConfig{Servers: test.server, LDAP: words, Body: whoami})
			for scheme, want := range test.want {
				got := curl(t, "--"+scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/")
				if got.Status != want {
					t.Errorf("%s: got %d, reason %s, want %d", scheme, got.Status, s.reason(t), want)
				}
				if want == 503 && (s.reason(t) != "signing_required" || s.hint(t) == "" || len(got.Challenges) > 0) {
					t.Errorf("%s: reason %s, hint %q, challenges %q, want signing_required with a cure and none",
						scheme, s.reason(t), s.hint(t), got.Challenges)
				}
			}
		})
	}
}

func strongAuth(t *testing.T, setting string) {
	t.Helper()
	if err := domain.StrongAuth(setting); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedUnasked: threats B-07, B-08, D-01. What is refused before the
// controller is asked does not count as a wrong password there; a wrong
// password does, so the count is one that moves.
func TestRefusedUnasked(t *testing.T) {
	s := start(t, siteConfig{Servers: domain.LDAPS(1), Body: whoami})
	t.Cleanup(func() {
		if err := domain.Unlock("fragile"); err != nil {
			t.Error(err)
		}
	})
	before := wrongPasswords(t, "fragile") // an account with a lockout threshold: others are not counted
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	for reason, message := range map[string]func(challenge []byte) []byte{
		"anonymous":      anonymousType3,
		"ntlmv1_refused": func(challenge []byte) []byte { return v1Type3(challenge, "fragile", "EXAMPLE") },
		"bad_name":       func(challenge []byte) []byte { return v2Type3(challenge, "fragile\x00", "EXAMPLE") },
	} {
		c := dial(t, s.HTTP)
		_, challenge := c.ntlm(t, negotiate)
		if challenge == nil {
			t.Fatal("no Type 2")
		}
		if status, _ := c.ntlm(t, message(challenge)); status != 401 || s.reason(t) != reason {
			t.Errorf("got %d, reason %s, want 401, %s", status, s.reason(t), reason)
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

// TestServerName: a certificate that names the controller otherwise than its
// URL is believed by that name alone.
func TestServerName(t *testing.T) {
	for name, want := range map[string]int{domain.Host(1): 200, "nobody.example.test": 503} {
		s := start(t, siteConfig{Servers: domain.LDAPS(1) + " {\n\t\t\tserver_name " + name + "\n\t\t}", Body: whoami})
		for _, scheme := range []string{"--ntlm", "--basic"} {
			got := curl(t, scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/")
			if got.Status != want || want == 503 && s.reason(t) != "tls" {
				t.Errorf("server_name %s, %s: got %d, reason %s, want %d", name, scheme, got.Status, s.reason(t), want)
			}
		}
	}
}
