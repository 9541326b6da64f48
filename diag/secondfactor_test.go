package diag

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// demoSite starts the demo's directory and writes the configuration of a site over it
// whose routes are given.
func demoSite(t *testing.T, routes string) (config string) {
	t.Helper()
	directory, err := demodir.Start(demodir.Demo())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := directory.Close(); err != nil {
			t.Error(err)
		}
	})
	config = filepath.Join(t.TempDir(), "caddy.json")
	text := fmt.Sprintf(`{"apps": {"ldap": {"directories": {"EXAMPLE": {"server": [{"url": %q}], "base_dn": ["DC=example,DC=test"], "tls": {"insecure_skip_verify": true},
		"service_account": {"mechanism": "simple", "name": "EXAMPLE\\svc-web", "secret": "Secr3t-svc-web"}}}},
		"http": {"servers": {"srv0": {"listen": [":443"], "routes": [%s]}}}}}`, directory.LDAPS(), routes)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// explained runs explain about a user of the demo's directory at a site whose routes
// are given.
func explained(t *testing.T, routes, user, path string) (said string, code int) {
	t.Helper()
	config := demoSite(t, routes)
	var out strings.Builder
	err := (&explanation{user: user, config: config, site: "intranet.example.com", path: path}).run(t.Context(), strings.NewReader(""), &out, &out)
	_ = report(&out, err)
	if err == nil {
		return out.String(), 0
	}
	return out.String(), exitCode(err)
}

// TestExplainSecondFactor: whether a code is owed, and whether one can be given.
func TestExplainSecondFactor(t *testing.T) {
	site := func(totp string) string {
		return `{"handle": [{"handler": "windows_auth", "directories": ["EXAMPLE"], "session": {}, "totp": {"attribute": "unixUserPassword"` + totp + `}}]}`
	}
	const ofHR = `, "require": {"group": ["HR"]}`
	for name, c := range map[string]struct {
		totp, user string
		code       int
		want       string
	}{
		"enrolled":                {``, "grace", 0, "one is owed|enrolled  unixUserPassword|200: "},
		"not enrolled":            {``, "alice", 1, "one is owed|error: 401 Unauthorized: user alice|no second factor is enrolled|hint: "},
		"not enrolled, exempt":    {`, "exempt": ["kerberos"]`, "alice", 0, "whoever comes by kerberos needs none|no code can be given|200: "},
		"by a rule":               {ofHR, "carol", 1, "fits      group HR: a member of HR|one is owed|401 Unauthorized"},
		"past a rule":             {ofHR, "alice", 0, "does not  group HR: no member|none is owed|200: "},
		"what a log-in may show":  {`, "require": {"sid": ["S-1-5-4"]}`, "alice", 0, "shows at a log-in alone|no code can be given|200: "},
		"enrolled, and owes none": {ofHR, "grace", 0, "none is owed|200: "},
	} {
		said, code := explained(t, site(c.totp), c.user, "/")
		for want := range strings.SplitSeq(c.want, "|") {
			if code != c.code || !strings.Contains(said, want) {
				t.Errorf("%s: got %d\n%s\nwant %d and %q", name, code, said, c.code, want)
			}
		}
		if strings.Contains(said, "secret=") {
			t.Errorf("%s: got %s, with the secret", name, said)
		}
	}
}

// TestExplainNoCode: whoever owes a code is not let in where no scheme carries one, and
// whoever asks over plain HTTP is told that there is no session.
func TestExplainNoCode(t *testing.T) {
	site := func(words string) string {
		return `{"handle": [{"handler": "windows_auth", "directories": ["EXAMPLE"], "schemes": ["ntlm"], ` + words + `}]}`
	}
	const totp = `"totp": {"attribute": "unixUserPassword"`
	for name, c := range map[string]struct {
		words, user string
		code        int
		want        string
	}{
		"a session":         {`"session": {}, ` + totp + `}`, "grace", 1, "no code can be given here|hint: Add basic to schemes, or write login|a session alone lets in"},
		"by a rule":         {totp + `, "require": {"user": ["grace"]}}`, "grace", 1, "no code can be given here"},
		"past a rule":       {totp + `, "require": {"user": ["grace"]}}`, "alice", 0, "none is owed|200: "},
		"exempt":            {totp + `, "exempt": ["ntlm"]}`, "alice", 0, "whoever comes by ntlm needs none|200: "},
		"a page":            {`"session": {}, "login": {}, ` + totp + `}`, "grace", 0, "enrolled  unixUserPassword|200: "},
		"a log-in may tell": {totp + `, "require": {"sid": ["S-1-5-4"]}}`, "alice", 0, "no code can be given: no scheme|200: "},
	} {
		said, code := explained(t, site(c.words), c.user, "/")
		for want := range strings.SplitSeq(c.want, "|") {
			if code != c.code || !strings.Contains(said, want) || strings.Contains(said, "over TLS alone") {
				t.Errorf("%s: got %d\n%s\nwant %d and %q", name, code, said, c.code, want)
			}
		}
	}
}

// TestWillSpeakTLS: as automatic HTTPS has it.
func TestWillSpeakTLS(t *testing.T) {
	const named = `, "routes": [{"match": [{"host": ["intranet.example.com"]}]}]`
	for text, want := range map[string]bool{
		`{"listen": [":80"]` + named + `}`:                                                          false,
		`{"listen": [":80"], "tls_connection_policies": [{}]` + named + `}`:                         true,
		`{"listen": [":443"]}`:                                                                      true,
		`{"listen": [":443"], "automatic_https": {"disable": true}` + named + `}`:                   false,
		`{"listen": [":8080"]}`:                                                                     false,
		`{"listen": [":8443"]` + named + `}`:                                                        true,
		`{"listen": [":8443"], "automatic_https": {"skip": ["intranet.example.com"]}` + named + `}`: false,
		`{"listen": [":8443"], "automatic_https": {"disable": true}, "tls_connection_policies": [{"alpn": ["h2"]}]` + `}`: true,
		`{"listen": [":80", ":443"]` + named + `}`: true,
	} {
		servers, _, err := serversOf([]byte(`{"apps": {"http": {"servers": {"srv0": ` + text + `}}}}`))
		if got := servers["srv0"].overTLS; err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
}

// TestExplainLoginPath: a page that sends passwords past its own windows_auth is told of.
func TestExplainLoginPath(t *testing.T) {
	door := func(path string) string {
		return `{"handler": "windows_auth", "directories": ["EXAMPLE"], "session": {}, "login": {` + path + `}}`
	}
	const note = "nobody can log in on the page"
	for name, c := range map[string]struct {
		routes string
		noted  bool
	}{
		"the whole site":       {`{"handle": [` + door("") + `]}`, false},
		"a part, elsewhere":    {`{"match": [{"path": ["/app/*"]}], "handle": [` + door("") + `]}`, true},
		"a part, within":       {`{"match": [{"path": ["/app/*"]}], "handle": [` + door(`"path": "/app/auth"`) + `]}`, false},
		"another's page":       {`{"match": [{"path": ["/app/*"]}], "handle": [` + door("") + `]}, {"handle": [` + door(`"path": "/in"`) + `]}`, true},
		"a handle has the way": {`{"group": "g", "match": [{"path": ["/.auth/*"]}], "handle": [{"handler": "static_response"}]}, {"group": "g", "handle": [` + door("") + `]}`, true},
		"stripped":             {`{"match": [{"path": ["/app/*"]}], "handle": [{"handler": "rewrite", "strip_path_prefix": "/app"}, ` + door(`"path": "/app/auth"`) + `]}`, false},
	} {
		if said, code := explained(t, c.routes, "alice", "/app/x"); code != 0 || strings.Contains(said, note) != c.noted {
			t.Errorf("%s: got %d\n%s\nwant the note %v", name, code, said, c.noted)
		}
	}
}
