package integration

import (
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// openLDAP runs a slapd until the test ends.
func openLDAP(t *testing.T) *slapd.Server {
	t.Helper()
	server, err := slapd.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// people is a site of an OpenLDAP directory.
func people(t *testing.T, server *slapd.Server, words, rules string) *site {
	t.Helper()
	return start(t, siteConfig{
		Servers: server.LDAPS, CA: server.CA, LDAP: words + "\nverify bind",
		Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n" + rules + "\n\t}\n\trespond \"{http.auth.user.id}|{http.auth.user.dn}|{http.auth.user.groups}\"\n",
	})
}

// admits checks of people of that directory who gets in: the others have proven who
// they are, and are told 403.
func (s *site) admits(t *testing.T, in map[string]bool) {
	t.Helper()
	for user, want := range in {
		got := curl(t, "--basic", "-u", user+":Secr3t-"+user, s.HTTP+"/")
		if (got.Status == 200) != want || got.Status != 200 && got.Status != 403 {
			t.Errorf("%s: got %d %s, reason %s, want in %v", user, got.Status, got.Body, s.reason(t), want)
		}
	}
}

const (
	serviceWords = "service_account " + slapd.Service + " " + slapd.ServicePassword
	bothBases    = "base_dn ou=people," + slapd.Base + " ou=partners," + slapd.Base
	ben          = `cn=Ben \"B\" Böhm\, Jr.,ou=people,` + slapd.Base
)

// TestBindAs: each way in which a typed name becomes a bind name, right and wrong
// (features C5 to C11, C15, E1).
func TestBindAs(t *testing.T) {
	server := openLDAP(t)
	for _, c := range []struct {
		name, words, user, password string
		status                      int
		id, reason                  string
	}{
		{"template", "bind_as template uid={user},ou=people," + slapd.Base, "anna", "Secr3t-anna", 200, "anna", ""},
		{"template wrong", "bind_as template uid={user},ou=people," + slapd.Base, "anna", "wrong", 401, "", "bad_credentials"},
		{"template injected", "bind_as template uid={user},ou=people," + slapd.Base, "paul,ou=partners," + slapd.Base + "+uid=x", "Secr3t-paul", 401, "", "bad_credentials"},
		{"template foreign", "bind_as template uid={user},ou=people," + slapd.Base, `OTHER\anna`, "Secr3t-anna", 401, "", "identity_mismatch"},
		{"template own", "bind_as template uid={user},ou=people," + slapd.Base, `EXAMPLE\ANNA`, "Secr3t-anna", 200, "anna", ""},
		{"absolute", "bind_as absolute\n" + bothBases, ben, "Secr3t-ben", 200, "ben", ""},
		{"absolute elsewhere", "bind_as absolute\nbase_dn ou=partners," + slapd.Base, ben, "Secr3t-ben", 401, "", "not_found"},
		{"absolute no DN", "bind_as absolute", "ben", "Secr3t-ben", 401, "", "bad_credentials"},
		{"absolute wrong", "bind_as absolute", ben, "wrong", 401, "", "bad_credentials"},
		{"relative", "bind_as relative\n" + bothBases, "uid=paul", "Secr3t-paul", 200, "paul", ""},
		{"relative in the first", "bind_as relative\n" + bothBases, "uid=anna", "Secr3t-anna", 200, "anna", ""},
		{"relative nowhere", "bind_as relative\n" + bothBases, "uid=nobody", "x", 401, "", "bad_credentials"},
		{"search", "bind_as search\n" + bothBases + "\n" + serviceWords, "paul", "Secr3t-paul", 200, "paul", ""},
		{"search by default", bothBases + "\n" + serviceWords, "anna", "Secr3t-anna", 200, "anna", ""},
		{"search for a DN with quotes", serviceWords, "ben", "Secr3t-ben", 200, "ben", ""},
		{"search wrong", serviceWords, "anna", "wrong", 401, "", "bad_credentials"},
		{"search nobody", serviceWords, "nobody", "x", 401, "", "bad_credentials"},
		{"search injected", serviceWords, "ann*", "Secr3t-anna", 401, "", "bad_credentials"},
		{"search injected more", serviceWords, "x)(uid=anna", "Secr3t-anna", 401, "", "bad_credentials"},
		{"search, and the first base does not exist", "base_dn ou=gone," + slapd.Base + " ou=people," + slapd.Base + "\n" + serviceWords, "anna", "Secr3t-anna", 200, "anna", ""},
		{"search, and the last base does not exist", "base_dn ou=people," + slapd.Base + " ou=gone," + slapd.Base + "\n" + serviceWords, "nobody", "x", 401, "", "bad_credentials"},
		{"search, and no base exists", "base_dn ou=gone," + slapd.Base + " o=lost\n" + serviceWords, "anna", "Secr3t-anna", 503, "", "protocol"},
		{"search for a backslash", serviceWords, `LAB\hans`, "Secr3t-hans", 200, `LAB\hans`, ""},
		{"search for a backslash in capitals", serviceWords, `lab\HANS`, "Secr3t-hans", 200, `LAB\hans`, ""},
		{"search for a backslash, wrong", serviceWords, `LAB\hans`, "wrong", 401, "", "bad_credentials"},
		{"search for a foreign domain", serviceWords, `OTHER\anna`, "Secr3t-anna", 401, "", "identity_mismatch"},
		{"search for our domain", serviceWords, `EXAMPLE\anna`, "Secr3t-anna", 200, "anna", ""},
		{"search for an at sign", serviceWords, "eva@partner.example", "Secr3t-eva", 200, "eva@partner.example", ""},
		{"search for a name of our DNS domain", serviceWords + "\ndns_domain example.org", "anna@example.org", "Secr3t-anna", 200, "anna", ""},
		{"search for a foreign suffix", serviceWords, "anna@other.example", "Secr3t-anna", 401, "", "bad_credentials"},
		{"search ambiguous", serviceWords, "twin", "Secr3t-twin", 401, "", "ambiguous"},
		{"absolute, a name that another has too", "bind_as absolute\n" + serviceWords, "cn=Twin Two,ou=people," + slapd.Base, "Secr3t-twin", 401, "", "ambiguous"},
		{"template, a name that another has too", "bind_as template uid={user},ou=people," + slapd.Base + "\n" + serviceWords, "twin", "Secr3t-twin", 401, "", "ambiguous"},
		{"search by the second of two names", serviceWords, "second", "Secr3t-two", 200, "first", ""},
		{"search by the first of two names", serviceWords, "first", "Secr3t-two", 200, "first", ""},
		{"absolute, no name at all", "bind_as absolute\n" + serviceWords, "cn=No Name,ou=partners," + slapd.Base, "Secr3t-noname", 401, "", "not_found"},
		{"search another attribute", "user {\nattribute mail\n}\n" + serviceWords, "ANNA@example.org", "Secr3t-anna", 200, "anna@example.org", ""},
		{"search with a filter", "user {\nfilter (employeeType=staff)\n}\n" + serviceWords, "anna", "Secr3t-anna", 200, "anna", ""},
		{"search filtered out", "user {\nfilter (employeeType=staff)\n}\n" + serviceWords, "ben", "Secr3t-ben", 401, "", "bad_credentials"},
		{"template filtered out", "user {\nfilter (employeeType=partner)\n}\nbind_as template uid={user},ou=people," + slapd.Base, "anna", "Secr3t-anna", 401, "", "not_found"},
		{"direct with a DN", "bind_as direct", "anna", "Secr3t-anna", 401, "", "bad_credentials"},
		{"password must be changed", serviceWords, "reset", "Secr3t-reset", 401, "", "must_change"},
		{"password must be changed, wrong", serviceWords, "reset", "wrong", 401, "", "bad_credentials"},
		{"empty password", serviceWords, "anna", "", 401, "", "empty_password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := people(t, server, c.words, "")
			got := curl(t, "--basic", "-u", c.user+":"+c.password, s.HTTP+"/")
			id, _, _ := strings.Cut(got.Body, "|")
			if got.Status != c.status || c.status == 200 && id != c.id || s.reason(t) != c.reason {
				t.Errorf("got %d %s, reason %s, want %d %s %s\n%s", got.Status, got.Body, s.reason(t), c.status, c.id, c.reason, s.refusal(t).text("error"))
			}
		})
	}
}

// TestGroupsOfOpenLDAP: nested and circular groupOfNames, groupOfUniqueNames,
// posixGroup by name and by number.
func TestGroupsOfOpenLDAP(t *testing.T) {
	server := openLDAP(t)
	for rule, in := range map[string]map[string]bool{
		"require group staff":                                  {"anna": true, "ben": false},
		"require group everybody":                              {"anna": true, "paul": false},
		"require group circle":                                 {"anna": true, "ben": false},
		"require group unique":                                 {"ben": true, "anna": false},
		"require group unix":                                   {"anna": true, "ben": false},
		"require group wheel":                                  {"anna": false}, // of that name below her own entry
		"require group abroad":                                 {"anna": true, "ben": false},
		"require group above":                                  {"anna": true, "ben": false},
		"require group shell":                                  {"anna": true, "ben": false},
		"require group cn=abroad," + slapd.Teams:               {"anna": true, "ben": false},
		"require group primary":                                {"anna": true, "ben": false},
		"require group cn=everybody,ou=groups," + slapd.Base:   {"anna": true, "ben": false},
		"require attribute employeeType CONTRACTOR":            {"ben": true, "anna": false},
		"require all {\nvalid-user\nnone {\ngroup staff\n}\n}": {"ben": true, "anna": false},
		"require user `" + ben + "`":                           {"ben": true, "anna": false},
		"require user anna":                                    {"anna": true, "ben": false},
	} {
		t.Run(rule, func(t *testing.T) {
			s := people(t, server, serviceWords, "\t\t"+rule)
			s.admits(t, in)
		})
	}
}

// TestBindAsInActiveDirectory: the same forms against the real controllers.
func TestBindAsInActiveDirectory(t *testing.T) {
	staff := "OU=Staff," + domain.BaseDN
	service := "service_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password
	for _, c := range []struct {
		name, words, typed, user string
		status                   int
	}{
		{"template", `bind_as template "CN={user},` + staff + `"`, "Alice Adams", "alice", 200},
		{"template with a comma", `bind_as template "CN={user},` + staff + `"`, "O'Hara, Eve (IT)", "eve", 200},
		{"template wrong", `bind_as template "CN={user},` + staff + `"`, "alice", "alice", 401},
		{"absolute", "bind_as absolute", lab.Account("eve").DN(), "eve", 200},
		{"relative", "base_dn OU=Services," + domain.BaseDN + " " + staff + "\nbind_as relative", "CN=Carol Clark", "carol", 200},
		{"direct", "bind_as direct", `EXAMPLE\carol`, "carol", 200},
		{"suffix", "user {\nsuffix @" + domain.DNSDomain + "\n}", "carol", "carol", 200},
		{"search", "bind_as search\n" + service, "carol", "carol", 200},
		{"search by UPN", "bind_as search\n" + service, "carol@" + domain.DNSDomain, "carol", 200},
		{"search by mail", "bind_as search\nuser {\nattribute mail\n}\n" + service, lab.Account("carol").Attributes["mail"], "carol", 200},
		{"search filtered out", "bind_as search\nuser {\nfilter (department=Web)\n}\n" + service, "carol", "carol", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, siteConfig{LDAP: c.words, Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t}\n\trespond \"{http.auth.user.sid}\"\n"})
			got := curl(t, "--basic", "-u", c.typed+":"+lab.Account(c.user).Password, s.HTTP+"/")
			if got.Status != c.status || c.status == 200 && got.Body != sidOf(t, c.user) {
				t.Errorf("got %d %s, reason %s, want %d\n%s", got.Status, got.Body, s.reason(t), c.status, s.refusal(t).text("error"))
			}
		})
	}
}
