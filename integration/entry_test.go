package integration

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// whoami answers with what the site knows of the user.
const whoami = `
	windows_auth EXAMPLE {
		insecure_basic
	}
	respond "{http.auth.user.id}|{http.auth.user.logon}|{http.auth.user.scheme}|{http.auth.user.verifier}|{http.auth.user.sid}|{http.auth.user.dn}"
`

// who is the line whoami answers with.
func who(t *testing.T, sam, scheme, verifier string) string {
	t.Helper()
	sid, err := domain.SID(sam)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{sam, `EXAMPLE\` + sam, scheme, verifier, sid, lab.Account(sam).DN()}, "|")
}

func TestCurlGetsIn(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	tests := []struct {
		name, sam, user, scheme, verifier string
		args                              []string
	}{
		{"NTLM", "alice", "alice", "ntlm", "relay", []string{"--ntlm"}},
		{"NTLM with domain", "alice", `EXAMPLE\alice`, "ntlm", "relay", []string{"--ntlm"}},
		{"NTLM with DNS domain", "alice", `example.test\alice`, "ntlm", "relay", []string{"--ntlm"}},
		{"NTLM by user principal name", "alice", "alice@example.test", "ntlm", "relay", []string{"--ntlm"}},
		{"NTLM by another suffix", "upnsam", "upn.user@other.example", "ntlm", "relay", []string{"--ntlm"}},
		{"NTLM in capitals", "alice", `example\ALICE`, "ntlm", "relay", []string{"--ntlm"}},
		{"NTLM, comma and parentheses in the DN", "eve", "eve", "ntlm", "relay", []string{"--ntlm"}},
		{"NTLM, 300 groups", "many", "many", "ntlm", "relay", []string{"--ntlm"}},
		{"Basic", "alice", "alice", "basic", "bind", []string{"--basic"}},
		{"Basic with domain", "alice", `EXAMPLE\alice`, "basic", "bind", []string{"--basic"}},
		{"Basic with DNS domain", "alice", `example.test\alice`, "basic", "bind", []string{"--basic"}},
		{"Basic by user principal name", "upnsam", "upn.user@other.example", "basic", "bind", []string{"--basic"}},
		{"Basic, letters outside ASCII", "müller", "müller", "basic", "bind", []string{"--basic"}},
		{"any", "alice", "alice", "ntlm", "relay", []string{"--anyauth"}},
	}
	for _, base := range []string{s.HTTP, s.HTTPS} {
		for _, test := range tests {
			t.Run(base[:5]+" "+test.name, func(t *testing.T) {
				user := test.user + ":" + lab.Account(test.sam).Password
				got := curl(t, append(test.args, "-u", user, base+"/")...)
				if want := who(t, test.sam, test.scheme, test.verifier); got.Status != 200 || got.Body != want {
					t.Errorf("got %d %s, want %s; reason %s", got.Status, got.Body, want, s.reason(t))
				}
			})
		}
	}
	if log := s.logText(t); strings.Contains(log, "Secr3t-") || strings.Contains(log, "TlRMTVNTUAAD") {
		t.Error("a password or a token stands in the log")
	}
}

// TestForeignClientGetsIn: go-ntlmssp, an NTLM client that is not curl's.
func TestForeignClientGetsIn(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	for _, base := range []string{s.HTTP, s.HTTPS} {
		for _, sam := range []string{"alice", "müller", "frank"} {
			t.Run(base[:5]+" "+sam, func(t *testing.T) {
				request, err := http.NewRequest(http.MethodGet, base+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				request.SetBasicAuth(`EXAMPLE\`+sam, lab.Account(sam).Password)
				response, err := ntlmClient(t).Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				if want := who(t, sam, "ntlm", "relay"); response.StatusCode != 200 || string(body) != want {
					t.Errorf("got %d %s, want %s; reason %s", response.StatusCode, body, want, s.reason(t))
				}
			})
		}
	}
}

func TestStrangerGetsChallenges(t *testing.T) {
	s := start(t, siteConfig{Body: `
	windows_auth EXAMPLE {
		realm "The intranet"
	}
	respond "in"
`})
	plain := curl(t, s.HTTP+"/")
	if plain.Status != 401 || len(plain.Challenges) != 1 || plain.Challenges[0] != "NTLM" {
		t.Errorf("over HTTP: got %d %q, want 401 with NTLM alone", plain.Status, plain.Challenges)
	}
	for _, version := range []string{"--http1.1", "--http2"} {
		secure := curl(t, version, s.HTTPS+"/")
		if secure.Status != 401 || len(secure.Challenges) != 2 || secure.Challenges[0] != "NTLM" ||
			!strings.HasPrefix(secure.Challenges[1], `Basic realm="The intranet"`) {
			t.Errorf("over HTTPS, %s: got %d %q, want 401 with NTLM, then Basic", version, secure.Status, secure.Challenges)
		}
	}
}

// TestShortForm: a site with a directory of its own, whose NetBIOS domain is
// read from the controller.
func TestShortForm(t *testing.T) {
	s := start(t, siteConfig{Body: `
	windows_auth ` + domain.LDAPS(1) + `/DC=example,DC=test ` + domain.LDAPS(2) + ` {
		insecure_basic
		directory {
			tls {
				trust_pool file ` + domain.CA() + `
			}
		}
		require group "Web Users"
	}
	respond "{http.auth.user.logon}|{http.auth.user.rule}"
`})
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/")
		if want := `EXAMPLE\alice|group "Web Users"`; got.Status != 200 || got.Body != want {
			t.Errorf("%s: got %d %s, want %s; reason %s", scheme, got.Status, got.Body, want, s.reason(t))
		}
	}
}

// TestStartTLS: ldap:// made safe before anything is said.
func TestStartTLS(t *testing.T) {
	s := start(t, siteConfig{Body: whoami, Servers: domain.LDAP(1), LDAP: "\t\tstarttls"})
	for scheme, verifier := range map[string]string{"ntlm": "relay", "basic": "bind"} {
		got := curl(t, "--"+scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/")
		if want := who(t, "alice", scheme, verifier); got.Status != 200 || got.Body != want {
			t.Errorf("%s: got %d %s, want %s; reason %s", scheme, got.Status, got.Body, want, s.reason(t))
		}
	}
}

func TestUsernameForms(t *testing.T) {
	for form, want := range map[string]string{
		"sam": "alice", "logon": `EXAMPLE\alice`, "logon lower": `example\alice`, "upn": "alice@example.test",
		"sid": sidOf(t, "alice"),
		"dn":  lab.Account("alice").DN(), "dn lower": strings.ToLower(lab.Account("alice").DN()),
	} {
		t.Run(form, func(t *testing.T) {
			s := start(t, siteConfig{Body: "\twindows_auth EXAMPLE {\n\t\tusername " + form + "\n\t}\n\trespond {http.auth.user.id}\n"})
			if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Body != want {
				t.Errorf("got %d %s, want %s", got.Status, got.Body, want)
			}
		})
	}
}
