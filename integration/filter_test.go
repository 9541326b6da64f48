package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

const inChainRule = "memberOf:1.2.840.113556.1.4.1941:"

// filterSite has a rule by filters, and stricter parts over the same directory
// (features C3, C12): each policy has its say, and one that nobody can answer is
// closed to everybody.
const filterSite = `
	windows_auth EXAMPLE {
		insecure_basic
		require filter (department=WEB)
		require filter "(&(title=Engineer)(!(employeeType=contractor)))"
		require user bob
	}
	@chain path /chain
	require @chain filter "(` + inChainRule + `=CN=Nest A,OU=Groups,DC=example,DC=test)"
	@direct path /direct
	require @direct filter "(memberOf=CN=Nest A,OU=Groups,DC=example,DC=test)"
	@hr path /hr
	require @hr filter (memberOf=CN=HR,OU=Groups,DC=example,DC=test)
	@typo path /typo
	require @typo filter (!(employeTyp=contractor))
	@notypo path /notypo
	require @notypo all {
		valid-user
		none {
			filter (employeTyp=contractor)
		}
	}
	@nodn path /nodn
	require @nodn filter (!(memberOf=HR))
	@rule path /rule
	require @rule filter (!(department:2.5.13.5:=HR))
	@number path /number
	require @number filter (!(userAccountControl=disabled))
	@person path /person
	require @person filter (&(objectCategory=person)(!(userAccountControl:1.2.840.113556.1.4.803:=2))(primaryGroupID>=1))
	@norole path /norole
	require @norole all {
		valid-user
		none {
			role contractor
		}
	}
	@outside path /outside
	require @outside all {
		valid-user
		none {
			filter (department=Web)
		}
	}
	respond "{http.auth.user.rule}"
`

// filterMap gives the one role that the site's rules ask about.
const filterMap = `
		map {
			title Engineer contractor
		}
`

// TestFilter against the real controllers: the directory itself says who fits, on
// the user's own connection and on the service account's.
func TestFilter(t *testing.T) {
	s := start(t, siteConfig{Body: filterSite, LDAP: filterMap})
	for _, c := range []struct {
		user, path string
		status     int
		rule       string
	}{
		{"alice", "/", 200, "filter (department=WEB)"},
		{"carol", "/", 200, "filter (&(title=Engineer)(!(employeeType=contractor)))"},
		{"bob", "/", 200, "user bob"},
		{"dave", "/", 403, ""},
		{"carol", "/chain", 200, `filter "(` + inChainRule + `=CN=Nest A,OU=Groups,DC=example,DC=test)"`},
		{"alice", "/chain", 403, ""},
		{"carol", "/direct", 403, ""},
		{"bob", "/hr", 403, ""},
		{"alice", "/typo", 403, ""},
		{"alice", "/notypo", 403, ""},
		{"alice", "/nodn", 403, ""},
		{"alice", "/rule", 403, ""},
		{"alice", "/number", 403, ""},
		{"alice", "/person", 200, "filter (&(objectCategory=person)(!(userAccountControl:1.2.840.113556.1.4.803:=2))(primaryGroupID>=1))"},
		{"carol", "/norole", 403, ""},
		{"alice", "/norole", 200, "all { valid-user; none { role contractor } }"},
		{"alice", "/outside", 403, ""},
		{"bob", "/outside", 200, "all { valid-user; none { filter (department=Web) } }"},
	} {
		s.serves(t, c.user, c.path, c.status, c.rule)
	}
	told := 0
	for _, e := range s.lines(t, "ldap") {
		if strings.HasPrefix(e.text("msg"), "a filter of a rule has no answer") && strings.Contains(e.text("error"), "employeTyp") {
			told++
		}
	}
	if told != 2 { // one for each filter that asks about it
		t.Errorf("the unknown attribute is told %d times, want 2", told)
	}
}

// TestFilterIsAskedAgain: an answer is no older than the identity, which the
// service account looks up before a denial.
func TestFilterIsAskedAgain(t *testing.T) {
	s := start(t, siteConfig{Body: filterSite, Servers: domain.LDAPS(1), LDAP: filterMap + `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password})
	c := dial(t, s.HTTP)
	if got := c.logIn(t, "bob"); got != 200 {
		t.Fatalf("got %d, reason %s", got, s.reason(t))
	}
	if got := c.get(t, "/hr"); got != 403 {
		t.Fatalf("before: got %d, want 403", got)
	}
	member(t, "addmembers", "HR", "bob")
	deadline := time.Now().Add(20 * time.Second)
	got := c.get(t, "/hr")
	for ; got == 403 && time.Now().Before(deadline); got = c.get(t, "/hr") {
		time.Sleep(200 * time.Millisecond)
	}
	if got != 200 {
		t.Errorf("after: got %d, want 200; reason %s", got, s.reason(t))
	}
	if got := c.get(t, "/typo"); got != 403 {
		t.Errorf("what the service account cannot tell: got %d, want 403", got)
	}
}

// TestFilterInOpenLDAP: what its access rules hide, and what it does not know, is
// answered neither by the filter nor by its negation.
func TestFilterInOpenLDAP(t *testing.T) {
	server := openLDAP(t)
	without := func(filter string) string {
		return "require all {\nvalid-user\nnone {\nfilter " + filter + "\n}\n}"
	}
	for rule, in := range map[string]map[string]bool{
		"require filter (employeeType=STAFF)":                               {"anna": true, "ben": false},
		without("(employeeType=staff)"):                                     {"anna": false, "ben": true},
		"require filter (!(title=*))":                                       {"anna": true},
		without("(title=*)"):                                                {"anna": true},
		"require filter (userPassword=*)":                                   {"anna": false},
		"require filter (!(userPassword=*))":                                {"anna": false},
		without("(userPassword=*)"):                                         {"anna": false},
		"require filter (!(shoeSize=43))":                                   {"anna": false},
		without("(shoeSize=43)"):                                            {"anna": false},
		"require filter `(memberOf=cn=staff,ou=groups," + slapd.Base + ")`": {"anna": true, "ben": false},
	} {
		t.Run(rule, func(t *testing.T) {
			s := people(t, server, serviceWords, "\t\t"+rule)
			s.admits(t, in)
		})
	}
}

// TestRuledGroups: the self-test says which groups of the rules are none.
func TestRuledGroups(t *testing.T) {
	s := start(t, siteConfig{
		LDAP: `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password,
		Body: "\twindows_auth EXAMPLE {\n\t\trequire group \"Web Users\" `EXAMPLE\\HR` Administrators \"Web Usres\"\n\t}\n" +
			"\trequire group \"Mail List\" `CN=Nest A,OU=Groups,DC=example,DC=test` `CN=Nest Z,OU=Groups,DC=example,DC=test`\n",
	})
	warned := func() map[string]string {
		found := map[string]string{}
		for _, e := range s.lines(t, "ldap") {
			if group := e.text("group"); group != "" {
				if found[group] != "" {
					t.Errorf("%s is told twice", group)
				}
				found[group] = e.text("level") + " " + e.text("msg") + " " + e.text("rule")
			}
		}
		return found
	}
	s.awaitLine(t, "all is well")
	got := warned()
	for group, want := range map[string][]string{
		"Web Usres":                              {"warn", "no directory has", `group "Web Users" EXAMPLE\HR Administrators "Web Usres"`},
		"Mail List":                              {"warn", "distribution group", `group "Mail List" `},
		"CN=Nest Z,OU=Groups,DC=example,DC=test": {"warn", "no directory has"},
	} {
		for _, part := range want {
			if !strings.Contains(got[group], part) {
				t.Errorf("%s: got %q, want %q in it", group, got[group], part)
			}
		}
	}
	if len(got) != 3 {
		t.Errorf("got %q, want three", got)
	}
}

// awaitLine waits for a line of the directories that holds a text.
func (s *site) awaitLine(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, e := range s.lines(t, "ldap") {
			if strings.Contains(e.text("msg"), text) {
				return
			}
		}
	}
	t.Fatalf("no line in the log says %q", text)
}
