package slapd

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestServer asks it with ldapsearch: who may read what.
func TestServer(t *testing.T) {
	s, err := Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	search := func(args ...string) string {
		command := exec.Command("ldapsearch", append([]string{"-x", "-LLL", "-H", s.LDAPS, "-b", Base}, args...)...)
		command.Env = append(os.Environ(), "LDAPTLS_CACERT="+s.CA)
		out, _ := command.CombinedOutput()
		return string(out)
	}
	if got := search("-D", Service, "-w", ServicePassword, "(uid=anna)", "memberOf"); !strings.Contains(got, "memberOf: cn=staff,ou=groups,") {
		t.Errorf("got %s, want anna in staff", got)
	}
	if got := search("-D", "uid=anna,ou=people,"+Base, "-w", "Secr3t-anna", "(uid=ben)", "dn"); strings.Contains(got, "dn:") {
		t.Errorf("anna reads %s", got)
	}
	if got := search("(uid=anna)"); strings.Contains(got, "dn:") {
		t.Errorf("nobody reads %s", got)
	}
}
