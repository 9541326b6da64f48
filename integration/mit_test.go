package integration

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// unix is a site of MIT's realm and of OpenLDAP's entries.
func unix(t *testing.T, r *mitRealm, rules string) (s *site, url string) {
	t.Helper()
	s = people(t, openLDAP(t), serviceWords+"\ndns_domain example.org\nbase_dn "+slapd.Base+"\nverify keytab "+r.keytab, rules)
	return s, strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1) + "/"
}

// TestMITRealm: tickets of an MIT KDC, whose PAC names nobody, are people of a real
// slapd: by the very name in the ticket, with the groups that LDAP has. Threats
// C-05.
func TestMITRealm(t *testing.T) {
	r := startMIT(t, "anna", "paul", "stranger", "anna/admin", "ANNA")
	s, url := unix(t, r, "\t\trequire group everybody\n")
	for _, enctype := range []string{"", "aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96", "aes256-cts-hmac-sha384-192", "aes128-cts-hmac-sha256-128"} {
		status, body, _ := curlWith(t, r.tickets(t, "anna", enctype), url)
		if status != 200 || !strings.HasPrefix(body, "anna|uid=anna,ou=people,"+slapd.Base+"|") {
			t.Errorf("%s: got %d %s, reason %s", enctype, status, body, s.reason(t))
		}
	}
	for who, reason := range map[string]string{"paul": "denied", "stranger": "not_found", "anna/admin": "not_found", "ANNA": "not_found"} {
		if status, body, _ := curlWith(t, r.tickets(t, who, ""), url); status != 403 || s.reason(t) != reason {
			t.Errorf("%s: got %d %s, reason %s, want 403 and %s", who, status, body, s.reason(t), reason)
		}
	}
}

// TestRealmOfOthers: threats C-07. A realm that is not accepted proves nobody.
func TestRealmOfOthers(t *testing.T) {
	r := startMIT(t, "anna")
	s := people(t, openLDAP(t), serviceWords+"\ndns_domain example.org\nverify keytab "+r.keytab+" {\nrealms OTHER.ORG\n}", "")
	url := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1) + "/"
	if status, _, _ := curlWith(t, r.tickets(t, "anna", ""), url); status != 403 || s.reason(t) != "realm" {
		t.Errorf("got %d, reason %s, want 403 and realm", status, s.reason(t))
	}
}

// TestMITInitiator: MIT's own library, as a client, is told who the server is, by
// SPNEGO and by Kerberos bare; the answer to another client proves nothing.
func TestMITInitiator(t *testing.T) {
	r := startMIT(t, "anna", "paul")
	_, url := unix(t, r, "")
	initiate := func(who string, args ...string) []string {
		return initiator(t, r.tickets(t, who, ""), append([]string{url}, args...)...)
	}
	for _, mech := range []string{"spnego", "krb5"} {
		first := initiate("anna", mech)
		if len(first) != 4 || first[0] != "200" || first[1] != "complete" || first[2] != "mutual" {
			t.Errorf("%s: got %v, want 200 complete mutual", mech, first)
			continue
		}
		for _, who := range []string{"anna", "paul"} {
			if other := initiate(who, mech, first[3]); len(other) != 4 || other[0] != "200" || other[1] != "refused" || other[2] != "unproven" {
				t.Errorf("%s: %s with the answer to another: got %v, want 200 refused unproven", mech, who, other)
			}
		}
	}
}

// initiator is MIT's library as a client of testdata/initiator.py, and the words that
// it prints.
func initiator(t *testing.T, env []string, args ...string) []string {
	t.Helper()
	c := exec.Command("/usr/bin/python3", append([]string{"testdata/initiator.py"}, args...)...)
	c.Env = env
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; integration/deps installs python3-gssapi\n%s", err, out)
	}
	return strings.Fields(string(out))
}
