package demodir

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ldapsearch runs OpenLDAP's client: another reading of the protocol than
// go-ldap's. It must be there (Debian package ldap-utils).
func ldapsearch(t *testing.T, s *Server, args ...string) (output string, code int) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ldapsearch", append([]string{"-x", "-LLL", "-o", "ldif-wrap=no"}, args...)...)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+ca, "LDAPTLS_REQCERT=demand", "LDAPCONF=/dev/null")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

func TestLdapsearch(t *testing.T) {
	s := start(t)
	alice := []string{"-D", `EXAMPLE\alice`, "-w", "Secr3t-alice"}
	inChain := "(member:1.2.840.113556.1.4.1941:=CN=Carol Cole,OU=Staff,DC=example,DC=test)"
	for name, tc := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"good": {append(alice, "-H", s.LDAPS(), "-b", s.BaseDN(), "(sAMAccountName=zoë)", "mail"), 0,
			[]string{"mail:: em/Dq0BleGFtcGxlLnRlc3Q="}},
		"StartTLS": {append(alice, "-ZZ", "-H", s.LDAP(), "-b", s.BaseDN(), "(sAMAccountName=bob)", "mail"), 0,
			[]string{"mail: bob@example.test"}},
		"in chain": {append(alice, "-H", s.LDAPS(), "-b", s.BaseDN(), inChain, "cn"), 0,
			[]string{"cn: HR\n", "cn: HR Managers\n", "cn: HR Board\n", "cn: Staff\n"}},
		"paged": {append(alice, "-H", s.LDAPS(), "-E", "pr=2/noprompt", "-b", s.BaseDN(), "(sAMAccountName=dave)", "memberOf"), 0,
			[]string{"memberOf: CN=Administrators,CN=Builtin,DC=example,DC=test"}},
		"rootDSE": {[]string{"-H", s.LDAP(), "-b", "", "-s", "base", "supportedSASLMechanisms"}, 0,
			[]string{"supportedSASLMechanisms: GSS-SPNEGO"}},
		"wrong password": {[]string{"-H", s.LDAPS(), "-D", `EXAMPLE\alice`, "-w", "wrong"}, 49,
			[]string{"Invalid credentials (49)", "data 52e, v1db1"}},
		"disabled": {[]string{"-H", s.LDAPS(), "-D", "disabled@example.test", "-w", "Secr3t-disabled"}, 49,
			[]string{"data 533, v1db1"}},
		"locked": {[]string{"-H", s.LDAPS(), "-D", "locked@example.test", "-w", "Secr3t-locked"}, 49,
			[]string{"data 775, v1db1"}},
		"plain": {append(alice, "-H", s.LDAP()), 8, []string{"Strong(er) authentication required (8)"}},
		"anonymous": {[]string{"-H", s.LDAPS(), "-b", s.BaseDN()}, 1,
			[]string{"Operations error (1)", "000004DC"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := ldapsearch(t, s, tc.args...)
			if code != tc.code {
				t.Errorf("got exit %d, want %d", code, tc.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("got %s, want %s", out, want)
				}
			}
		})
	}
}
