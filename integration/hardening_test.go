package integration

import (
	"testing"
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
	refusesUnasked(t, start(t, siteConfig{Servers: domain.LDAPS(1), Body: unthrottled}))
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
