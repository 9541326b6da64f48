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

// TestMonitor: the server's own counts, beside binds by ldapwhoami and a connection
// that stays bound.
func TestMonitor(t *testing.T) {
	s, err := Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	first, err := s.Binds()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		bind := exec.Command("ldapwhoami", "-x", "-H", s.LDAPS, "-D", Service, "-w", ServicePassword)
		bind.Env = append(os.Environ(), "LDAPTLS_CACERT="+s.CA)
		if out, err := bind.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if second, err := s.Binds(); err != nil || second != first+3 {
		t.Errorf("got %d binds, %v, want %d", second, err, first+3)
	}
	if got, err := s.BoundAs(Service); err != nil || len(got) != 0 {
		t.Errorf("got connections %q of the service, %v, want none", got, err)
	}
	if got, err := s.BoundAs(Admin); err != nil || len(got) != 1 {
		t.Errorf("got connections %q of the administrator, %v, want the one that asks", got, err)
	}
}
