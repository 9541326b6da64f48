package integration

import (
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestGlobalCatalog: a controller's port 3269 serves its own domain's users as 636
// does, with their groups.
func TestGlobalCatalog(t *testing.T) {
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1) + ":3269",
		Body:    "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire group \"Nest A\"\n\t}\n\trespond \"{http.auth.user.id}|{http.auth.user.groups}\"\n",
	})
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "carol:Secr3t-carol", s.HTTP+"/")
		if got.Status != 200 || !strings.HasPrefix(got.Body, "carol|") || !strings.Contains(got.Body, "Nest A") || !strings.HasSuffix(s.server(t), ":3269") {
			t.Errorf("%s: got %d %s from %s, reason %s", scheme, got.Status, got.Body, s.server(t), s.reason(t))
		}
		if got := curl(t, scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 403 {
			t.Errorf("%s, who is not in the group: got %d, reason %s", scheme, got.Status, s.reason(t))
		}
	}
}

// TestSeveralDirectories: features B11. A site of a real domain and a real slapd: the
// domain in a name says whose it is, a bare name is the first one's, and nobody is
// looked for in the other one.
func TestSeveralDirectories(t *testing.T) {
	server := openLDAP(t)
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1),
		Global:  "\tldap UNIX {\n\t\tserver " + server.LDAPS + "\n\t\ttls {\n\t\t\ttrust_pool file " + server.CA + "\n\t\t}\n\t\tbase_dn " + slapd.Base + "\n\t\t" + serviceWords + "\n\t\tverify bind\n\t}\n",
		Body:    "\twindows_auth EXAMPLE UNIX {\n\t\tinsecure_basic\n\t\tthrottle off\n\t}\n\thandle /first {\n\t\trequire user alice anna\n\t\trespond in\n\t}\n\trespond \"{http.auth.user.id}|{http.auth.user.dn}\"\n",
	})
	for _, c := range []struct {
		typed, password string
		status          int
		id, first       string // who it is, and whether a bare name in a rule is theirs
	}{
		{"alice", "Secr3t-alice", 200, `EXAMPLE\alice|CN=Alice Adams,OU=Staff,`, "200"},
		{`EXAMPLE\alice`, "Secr3t-alice", 200, `EXAMPLE\alice|CN=Alice Adams,OU=Staff,`, "200"},
		{"alice@example.test", "Secr3t-alice", 200, `EXAMPLE\alice|CN=Alice Adams,OU=Staff,`, "200"},
		{`UNIX\anna`, "Secr3t-anna", 200, `UNIX\anna|uid=anna,ou=people,`, "403"},
		{"anna@example.org", "Secr3t-anna", 200, `UNIX\anna|uid=anna,ou=people,`, "403"},
		{"anna", "Secr3t-anna", 401, "", ""},
		{`EXAMPLE\anna`, "Secr3t-anna", 401, "", ""},
		{`UNIX\alice`, "Secr3t-alice", 401, "", ""},
		{`OTHER\anna`, "Secr3t-anna", 401, "", ""},
	} {
		got := curl(t, "--basic", "-u", c.typed+":"+c.password, s.HTTP+"/")
		if got.Status != c.status || !strings.HasPrefix(got.Body, c.id) {
			t.Errorf("%s: got %d %s, reason %s, want %d %s", c.typed, got.Status, got.Body, s.reason(t), c.status, c.id)
		}
		if c.first == "" {
			continue
		}
		if got := curl(t, "--basic", "-u", c.typed+":"+c.password, s.HTTP+"/first"); (got.Status == 200) != (c.first == "200") {
			t.Errorf("%s, where the first one's alice and anna may: got %d", c.typed, got.Status)
		}
	}
}
