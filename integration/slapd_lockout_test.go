package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// lockingPolicy locks anna and ben of OpenLDAP at the third wrong password.
const lockingPolicy = `dn: ou=policies,` + slapd.Base + `
objectClass: organizationalUnit
ou: policies

dn: cn=strict,ou=policies,` + slapd.Base + `
objectClass: device
objectClass: pwdPolicy
cn: strict
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 3
pwdFailureCountInterval: 600

dn: uid=anna,ou=people,` + slapd.Base + `
changetype: modify
add: pwdPolicySubentry
pwdPolicySubentry: cn=strict,ou=policies,` + slapd.Base + `

dn: ` + ben + `
changetype: modify
add: pwdPolicySubentry
pwdPolicySubentry: cn=strict,ou=policies,` + slapd.Base + `
`

// TestOpenLDAPLocksNobody: threats F-11. Where OpenLDAP's overlay ppolicy locks accounts
// fewer wrong passwords reach it than do so, whatever the site allows.
func TestOpenLDAPLocksNobody(t *testing.T) {
	server := openLDAP(t)
	if err := server.Change(lockingPolicy); err != nil {
		t.Fatal(err)
	}
	binds := func(dn, password string) bool {
		command := exec.Command("ldapwhoami", "-x", "-H", server.LDAPS, "-D", dn, "-w", password)
		command.Env = append(os.Environ(), "LDAPTLS_CACERT="+server.CA)
		return command.Run() == nil
	}
	for range 3 {
		binds(ben, "wrong")
	}
	if binds(ben, "Secr3t-ben") {
		t.Fatal("the server locks nobody: this test shows nothing")
	}
	s := people(t, server, serviceWords+"\n"+bothBases, "throttle {\nattempts 50\nwindow 1m\nbackoff 1ms 1ms\n}")
	told := map[int]int{}
	for i := range 12 {
		told[curl(t, "--basic", "-u", fmt.Sprintf("anna:wrong%d", i), s.HTTP+"/").Status]++
		time.Sleep(5 * time.Millisecond)
	}
	if told[401] != 1 || told[429] != 11 {
		t.Errorf("got %v, want one that reaches the server", told)
	}
	if !binds("uid=anna,ou=people,"+slapd.Base, "Secr3t-anna") {
		t.Error("anna is locked")
	}
	said := false
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && !said; time.Sleep(20 * time.Millisecond) {
		for _, e := range s.lines(t, "ldap") {
			said = said || strings.HasPrefix(e.text("msg"), "self-test: 3 wrong passwords lock an account, by the strictest of 2 password policies")
		}
	}
	if !said {
		t.Errorf("the self-test does not tell:\n%s", s.logText(t))
	}
}
