package integration

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// TestRulesThatNobodyFits: features A21. A rule needs a directory that knows of what
// it asks. A role that no map gives is refused when the configuration loads, of any
// directory; a group is known by the directory alone, which says after the start
// that it has none of that name. Nobody gets in by such a rule, and the name beside it
// counts as ever.
func TestRulesThatNobodyFits(t *testing.T) {
	server := openLDAP(t)
	unix := siteConfig{Servers: server.LDAPS, CA: server.CA, LDAP: serviceWords + "\nverify bind\nmap {\nemployeeType staff web\n}"}
	windows := siteConfig{LDAP: `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password + "\nmap {\nmemberOf \"CN=Web Users,*\" web\n}"}
	for where, c := range map[string]struct {
		config      siteConfig
		user, group string // somebody and a group of theirs
		password    string
	}{
		"OpenLDAP":         {unix, "anna", "everybody", "Secr3t-anna"},
		"Active Directory": {windows, "alice", `"Web Users"`, lab.Account("alice").Password},
	} {
		site := func(rule string) siteConfig {
			config := c.config
			config.Body = "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\t" + rule + "\n\t}\n\trespond in\n"
			return config
		}
		t.Run(where+", a role", func(t *testing.T) {
			_, caddyfile := write(t, site("require role web wbe"))
			line := 1 + strings.Count(string(caddyfile[:bytes.Index(caddyfile, []byte("require role"))]), "\n")
			if err := loadError(caddyfile); err == nil || !strings.Contains(err.Error(), "ldap EXAMPLE gives the role wbe") || !strings.Contains(err.Error(), fmt.Sprintf("Caddyfile:%d", line)) {
				t.Errorf("got %v, want it refused for the role wbe at line %d", err, line)
			}
		})
		for rule, want := range map[string]int{
			"require role web":                                    200,
			"require group nobodies":                              403,
			"require group nobodies " + c.group:                   200,
			"require all {\nvalid-user\ngroup nobodies\n}":        403,
			"require all {\nvalid-user\ngroup " + c.group + "\n}": 200,
		} {
			t.Run(where+", "+rule, func(t *testing.T) {
				s := start(t, site(rule))
				s.awaitLine(t, "all is well")
				if got := s.missingGroups(t); (len(got) == 1 && got[0] == "nobodies") != strings.Contains(rule, "nobodies") {
					t.Errorf("got %q told to be missing", got)
				}
				if got := curl(t, "--basic", "-u", c.user+":"+c.password, s.HTTP+"/"); got.Status != want {
					t.Errorf("got %d, reason %s, want %d", got.Status, s.reason(t), want)
				}
			})
		}
	}
}

// loadError is why a configuration is refused; one that is not is ended at once.
func loadError(caddyfile []byte) error {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile, map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return err
	}
	return caddy.Stop()
}

// missingGroups are those that the log says no directory has, with the cure.
func (s *site) missingGroups(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, e := range s.lines(t, "ldap") {
		if strings.Contains(e.text("msg"), "a rule names a group that no directory has") && e.text("level") == "warn" && e.text("hint") != "" {
			names = append(names, e.text("group"))
		}
	}
	return names
}
