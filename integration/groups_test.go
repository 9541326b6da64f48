package integration

import (
	"testing"

	"github.com/Azure/go-ntlmssp"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// logIn runs a handshake on the connection and gives the last status.
func (c *rawClient) logIn(t *testing.T, sam string) int {
	t.Helper()
	return c.logInAs(t, sam, lab.Account(sam).Password)
}

func (c *rawClient) logInAs(t *testing.T, sam, password string) int {
	t.Helper()
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		t.Fatal(err)
	}
	status, challenge := c.ntlm(t, negotiate)
	if challenge == nil {
		return status
	}
	message, err := ntlmssp.NewAuthenticateMessage(challenge, `EXAMPLE\`+sam, password, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, _ = c.ntlm(t, message)
	return status
}

func TestGroups(t *testing.T) {
	tests := []struct {
		require, in, out string
	}{
		{`require group "Web Users"`, "alice", "bob"},
		{`require group "Nest A"`, "carol", "bob"},
		{`require group "Nest C"`, "carol", "alice"},
		{`require group "Cycle X"`, "carol", "alice"},
		{`require group "Local Team"`, "carol", "alice"},
		{`require group "Primary Team"`, "dave", "alice"},
		{`require group "CN=Sales\, EMEA (West),OU=Groups,DC=example,DC=test"`, "eve", "bob"},
		{`require group Führung`, "müller", "bob"},
		{`require group bulk-300`, "many", "bob"},
		{`require group Users`, "bob", ""},
		{`require group BUILTIN\Users`, "bob", ""},
		{`require group "Mail List"`, "", "alice"},
		{`require group Administrators`, "", "alice"},
		{`require user alice bob`, "bob", "carol"},
		{`require user OTHER\bob`, "", "bob"},
		{`require sid ` + sidOf(t, "HR") + ` ` + sidOf(t, "Nest B"), "carol", "alice"},
		{"require all {\n group \"Web Users\"\n none {\n user bob\n }\n }", "alice", "carol"},
	}
	for _, test := range tests {
		t.Run(test.require, func(t *testing.T) {
			s := start(t, siteConfig{Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\t" + test.require + "\n\t}\n\trespond \"{http.auth.user.sam}\"\n"})
			for sam, want := range map[string]int{test.in: 200, test.out: 403} {
				if sam == "" {
					continue
				}
				for _, scheme := range []string{"--ntlm", "--basic"} {
					if sam == "müller" && scheme == "--ntlm" {
						continue // curl's NTLM sends OEM bytes, which are not UTF-8 to a controller
					}
					got := curl(t, scheme, "-u", sam+":"+lab.Account(sam).Password, s.HTTP+"/")
					if got.Status != want {
						t.Errorf("%s %s: got %d %s, want %d; reason %s", scheme, sam, got.Status, got.Body, want, s.reason(t))
					}
					if want == 403 && len(got.Challenges) > 0 {
						t.Errorf("%s %s: a 403 with challenges %q", scheme, sam, got.Challenges)
					}
				}
			}
		})
	}
}

func sidOf(t *testing.T, sam string) string {
	t.Helper()
	sid, err := domain.SID(sam)
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

// TestStricterPathOnTheSameConnection: threats A-06. Authorization is decided
// on every request, the log-in once.
func TestStricterPathOnTheSameConnection(t *testing.T) {
	s := start(t, siteConfig{Body: `
	windows_auth EXAMPLE
	handle /hr/* {
		require group HR
		respond "hr"
	}
	handle /nest/* {
		require group "Nest A"
		respond "nest"
	}
	handle {
		respond "low"
	}
`})
	c := dial(t, s.HTTP)
	if status := c.logIn(t, "carol"); status != 200 {
		t.Fatalf("logging in: got %d, reason %s", status, s.reason(t))
	}
	for _, step := range []struct {
		path string
		want int
	}{{"/", 200}, {"/hr/x", 403}, {"/nest/x", 200}, {"/hr/y", 403}, {"/", 200}} {
		if got := c.get(t, step.path); got != step.want {
			t.Errorf("%s: got %d, want %d", step.path, got, step.want)
		}
	}
}

func (c *rawClient) get(t *testing.T, path string) int {
	t.Helper()
	return c.do(t, "GET "+path+" HTTP/1.1\r\nHost: "+c.host+"\r\n\r\n").StatusCode
}

// TestIdentityStaysWithItsConnection: threats.
func TestIdentityStaysWithItsConnection(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	alice, stranger, bob := dial(t, s.HTTP), dial(t, s.HTTP), dial(t, s.HTTP)
	if got := alice.logIn(t, "alice"); got != 200 {
		t.Fatalf("alice: got %d, reason %s", got, s.reason(t))
	}
	if got := stranger.get(t, "/"); got != 401 {
		t.Errorf("a stranger on another connection: got %d, want 401", got)
	}
	if got := bob.logIn(t, "disabled"); got != 401 {
		t.Errorf("a failure on a third: got %d, want 401", got)
	}
	if got := alice.get(t, "/"); got != 200 {
		t.Errorf("alice afterwards: got %d, want 200", got)
	}
	if got := alice.logIn(t, "bob"); got != 200 {
		t.Errorf("bob on alice's connection: got %d, want 200", got)
	}
	if got := alice.logIn(t, "disabled"); got != 401 {
		t.Errorf("a failure on that connection: got %d, want 401", got)
	}
	if got := alice.get(t, "/"); got != 401 {
		t.Errorf("what is left of it: got %d, want 401", got)
	}
}

// TestRequireWithoutWindowsAuth is a configuration mistake, never a pass, also
// where it does not show when the configuration loads: windows_auth stands on
// another path.
func TestRequireWithoutWindowsAuth(t *testing.T) {
	s := start(t, siteConfig{Body: "\twindows_auth /hr/* EXAMPLE\n\trequire valid-user\n\trespond in\n"})
	if got := curl(t, s.HTTP+"/"); got.Status != 500 || got.Body == "in" {
		t.Errorf("got %d %s, want 500", got.Status, got.Body)
	}
}
