package integration

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestGroupWordInOpenLDAP: which groups count, and by what name, at a real slapd.
func TestGroupWordInOpenLDAP(t *testing.T) {
	server := openLDAP(t)
	for name, c := range map[string]struct {
		words, rule string
		anna, ben   bool
	}{
		"nested":             {"nested on", "require group everybody", true, false},
		"direct alone":       {"nested off", "require group staff", true, false},
		"not nested":         {"nested off", "require group everybody", false, false},
		"filter":             {"filter (cn=everybody)", "require group everybody", true, false},
		"filtered out":       {"filter (cn=everybody)", "require group staff", false, false},
		"filtered out by DN": {"filter (cn=everybody)", "require group cn=staff,ou=groups," + slapd.Base, false, false},
		"called otherwise":   {"attribute description", "require group \"The staff\"", true, false},
		"not by cn":          {"attribute description", "require group staff", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := people(t, server, serviceWords+"\ngroup {\n"+c.words+"\n}", "\t\t"+c.rule)
			s.admits(t, map[string]bool{"anna": c.anna, "ben": c.ben})
		})
	}
}

// TestGroupWord: the same at real domain controllers, by password and by NTLM,
// which find groups by different ways.
func TestGroupWord(t *testing.T) {
	for name, c := range map[string]struct {
		words, rule, user string
		in                bool
	}{
		"nested":           {"nested on", "require group \"Nest A\"", "carol", true},
		"direct alone":     {"nested off", "require group \"Nest C\"", "carol", true},
		"primary":          {"nested off", "require group \"Domain Users\"", "carol", true},
		"another primary":  {"nested off", "require group \"Primary Team\"", "dave", true},
		"not nested":       {"nested off", "require group \"Nest A\"", "carol", false},
		"a cycle":          {"filter (sAMAccountName=Cycle*)", "require group \"Cycle X\"", "carol", true},
		"filtered out":     {"filter (sAMAccountName=Cycle*)", "require group \"Nest A\"", "carol", false},
		"called otherwise": {"attribute cn", "require group \"Sales, EMEA (West)\"", "eve", true},
		"not by the other": {"attribute cn", "require group \"Sales_ EMEA (West)\"", "eve", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{LDAP: "group {\n" + c.words + "\n}", Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\t" + c.rule + "\n\t}\n\trespond OK\n"})
			for _, how := range []string{"--basic", "--ntlm"} {
				got := curl(t, how, "-u", c.user+":"+lab.Account(c.user).Password, s.HTTP+"/")
				if (got.Status == 200) != c.in || got.Status != 200 && got.Status != 403 {
					t.Errorf("%s: got %d %s, reason %s, want in %v", how, got.Status, got.Body, s.reason(t), c.in)
				}
			}
		})
	}
}
