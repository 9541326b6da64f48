package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestCheckConfig against the real controllers: what will not work, and the cure.
func TestCheckConfig(t *testing.T) {
	const site = "http://127.0.0.1:1 {\n\twindows_auth EXAMPLE {\n\t\trequire group \"Web Users\" Administrators\n\t}\n\trespond ok\n}\n"
	service := "service_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(lab.Account("svc-web").Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	both := func(words string) string {
		return strings.Replace(ldapBlock(words), domain.LDAPS(1), domain.LDAPS(1)+" "+domain.LDAPS(2), 1)
	}
	for name, c := range map[string]struct {
		text string
		code int
		want string
	}{
		"well": {both("service_account EXAMPLE\\svc-web {file."+secret+"}\nbase_dn OU=Staff,"+domain.BaseDN) + site, 0,
			"ldap EXAMPLE|" + domain.LDAPS(1) + ":636|" + domain.LDAPS(2) + ":636|ok       tls|Lab CA|ok       clock    the same as here|Active Directory, dc1.example.test, domain DC=example,DC=test|svc-web binds|userAccountControl, tokenGroups and memberOf can be read|ok       ntlm     the relay works|ok       basic    verify bind, works at|one rule can be decided|all that could be looked at will work"},
		"ntlm account":      {both("service_account ntlm EXAMPLE\\svc-web " + lab.Account("svc-web").Password), 0, "svc-web binds|words    service_account gives protection away"},
		"kerberos account":  {both("service_account kerberos {\nkeytab " + domain.HTTPKeytab() + "\nprincipal svc-web@EXAMPLE.TEST\n}"), 0, "binds|unclear  ntlm     not tried"},
		"kerberos_password": {both("verify kerberos_password " + domain.HTTPKeytab() + "\n" + service), 0, "unclear  basic    verify kerberos_password, the KDCs were not tried"},
		"no account":        {both("") + site, 0, "unclear  service  no service_account|unclear  group    whether the groups in rules are there"},
		"wrong secret":      {strings.Replace(both("service_account EXAMPLE\\fragile wrong"), "\t}\n}\n", "\t}\n\tldap TWO {\n\t\tserver "+domain.LDAPS(1)+"\n\t\ttls {\n\t\t\ttrust_pool file "+domain.CA()+"\n\t\t}\n\t\tservice_account example\\fragile wrong\n\t}\n}\n", 1) + site, 1, "FAULT    service|bad_credentials|hint: check name and secret|not tried here"},
		"disabled account":  {both("service_account EXAMPLE\\disabled " + lab.Account("disabled").Password), 1, "the account is disabled"},
		"secret not there":  {both("service_account EXAMPLE\\svc-web {file./nowhere/secret}"), 1, "FAULT    config|{file./nowhere/secret}: open /nowhere/secret: no such file or directory|hint: Caddy will not start"},
		"a base not there":  {both(service + "\nbase_dn OU=Lost," + domain.BaseDN), 1, "FAULT    base_dn|mend base_dn"},
		"a base elsewhere":  {both(service + "\nbase_dn DC=other,DC=test"), 1, "outside the domain"},
		"another domain":    {both(service + "\ndomain OTHER"), 1, "write domain EXAMPLE"},
		"a group not there": {both(service) + strings.Replace(site, "Administrators", "Nobodies \"Mail List\"", 1), 1, "FAULT    group    require group \"Web Users\" Nobodies \"Mail List\": no directory has a group Nobodies|Mail List is a distribution group|2 things will not work"},
		"a role not there":  {both(service) + strings.Replace(site, "group \"Web Users\" Administrators", "role admin", 1), 1, ""},
		"unknown authority": {fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t}\n}\n", domain.LDAPS(1)), 1, "FAULT    tls|trust_pool file|it shows a certificate for dc1.example.test|FAULT    basic"},
		"one is dead":       {fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver ldaps://127.0.0.1:1 %s\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n%s\n\t}\n}\n", domain.LDAPS(1), domain.CA(), service), 1, "FAULT    tcp|nothing listens on 127.0.0.1:1|works at " + domain.Addr(1) + ":636, will not work at 127.0.0.1:1|one thing will not work"},
		"without TLS":       {fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t\tinsecure_plaintext\n%s\n\t}\n}\n", domain.LDAP(1), service), 1, "signing_required|write ldaps:// or starttls|no TLS on this connection"},
		"with StartTLS":     {fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t\tstarttls\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n%s\n\t}\n}\n", domain.LDAP(1), domain.CA(), service), 0, "ok       tls|all that could be looked at will work"},
		"short form":        {fmt.Sprintf("http://127.0.0.1:1 {\n\twindows_auth %s {\n\t\tdirectory {\n\t\t\ttls {\n\t\t\t\ttrust_pool file %s\n\t\t\t}\n\t\t}\n\t}\n}\n", domain.LDAPS(2), domain.CA()), 0, "windows_auth with servers of its own|Active Directory, dc2"},
		"two directories": {strings.Replace(ldapBlock(service), "\t}\n}\n", "\t}\n\tldap TWO {\n\t\tserver "+domain.LDAPS(2)+"\n\t\ttls {\n\t\t\ttrust_pool file "+domain.CA()+"\n\t\t}\n\t}\n\tldap THREE {\n\t\tserver ldaps://127.0.0.1:1\n\t}\n}\n", 1), 1,
			"ldap EXAMPLE|ldap TWO\n  " + domain.LDAPS(2) + ":636\n    ok       tcp|ldap THREE\n  ldaps://127.0.0.1:1\n    FAULT    tcp|3 things will not work"},
		"no directory": {"http://127.0.0.1:1 {\n\trespond ok\n}\n", 2, "has no ldap block"},
		"broken":       {"{\n\tldap EXAMPLE {\n\t\tsrever x\n\t}\n}\n", 2, "error: |hint: caddy validate"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", "check-config", configFile(t, c.text))
			if name == "a role not there" { // refused by the adapter or here: either will do
				if code == 0 || !strings.Contains(out, "role admin") {
					t.Errorf("got %d\n%s", code, out)
				}
				return
			}
			verdict{code: c.code, want: c.want}.check(t, code, out)
		})
	}
	for n, want := range map[int]int{1: 1, 2: 0} { // the refused secret went to one controller alone
		if got, err := domain.BadPasswordCount(n, "fragile"); err != nil || got != want {
			t.Errorf("controller %d counted %d wrong passwords, %v, want %d", n, got, err, want)
		}
		if got, err := domain.BadPasswordCount(n, "svc-web"); err != nil || got != 0 {
			t.Errorf("controller %d counted %d wrong passwords of the service account, %v, want 0", n, got, err)
		}
	}
	if err := domain.Unlock("fragile"); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]verdict{"no file": {"/nowhere", "", 2, "no such file|hint: "}, "none": {"", "", 2, "takes one file"}, "no adapter": {"--adapter toast " + secret, "", 2, "there is no adapter toast"}} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", append([]string{"check-config"}, strings.Fields(c.args)...)...)
			c.check(t, code, out)
		})
	}
}

// TestCheckConfigOpenLDAP: a server that is no Active Directory.
func TestCheckConfigOpenLDAP(t *testing.T) {
	server := openLDAP(t)
	config := func(words, rule string) string {
		return fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n%s\n\t}\n}\nhttp://127.0.0.1:1 {\n\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire %s\n\t}\n\trespond ok\n}\n", server.LDAPS, server.CA, words, rule)
	}
	service := "service_account " + slapd.Service + " " + slapd.ServicePassword + "\nbase_dn " + slapd.Base
	for name, c := range map[string]struct {
		words, rule string
		code        int
		want        string
	}{
		"well":             {service + "\nverify bind", "group staff abroad", 0, "no Active Directory, naming contexts|svc-web,ou=services," + slapd.Base + " binds|accounts can be read|groups can be seen|verify bind, works at"},
		"a relay":          {service, "valid-user", 1, "FAULT    ntlm"},
		"no account":       {"verify bind\nbase_dn " + slapd.Base, "valid-user", 0, "two accounts of one log-in name would be one user"},
		"wrong secret":     {"verify bind\nservice_account " + slapd.Service + " wrong\nbase_dn " + slapd.Base, "valid-user", 1, "FAULT    service|check name and secret"},
		"a base not there": {service + " ou=gone," + slapd.Base + "\nverify bind", "valid-user", 1, "base_dn ou=gone," + slapd.Base + " does not exist"},
		"no group":         {service + "\nverify bind", "group nobodies", 1, "no directory has a group nobodies"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", "check-config", configFile(t, config(c.words, c.rule)))
			verdict{code: c.code, want: c.want}.check(t, code, out)
		})
	}
}
