package integration

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// seenBy is what somebody sees of an account at the first controller, by ldapsearch.
func seenBy(t *testing.T, reader, sam string, attributes ...string) string {
	t.Helper()
	c := exec.Command("ldapsearch", append([]string{"-LLL", "-x", "-o", "ldif-wrap=no", "-H", domain.LDAPS(1), "-D", domain.Domain + `\` + reader,
		"-w", lab.Account(reader).Password, "-b", domain.BaseDN, "(sAMAccountName=" + sam + ")"}, attributes...)...)
	c.Env = domain.Environ()
	out, err := c.Output()
	if err != nil {
		t.Fatalf("ldapsearch as %s: %v", reader, err)
	}
	return string(out)
}

// TestFactorIsGuarded: features C27. The attribute that the page advises is read by
// neither its owner nor anybody else but the service account, by what the controller shows
// each of them; and check-config says so, and what is not so, without any user's password.
func TestFactorIsGuarded(t *testing.T) {
	grantReading(t)
	enrol(t, bobDN, "otpauth://totp/EXAMPLE:bob?secret="+factorSecret)
	for reader, want := range map[string]bool{"bob": false, "alice": false, "svc-web": true} {
		if got := strings.Contains(seenBy(t, reader, "bob", "unixUserPassword"), factorSecret); got != want {
			t.Errorf("%s sees the secret: got %t, want %t", reader, got, want)
		}
	}
	writable := "\n" + seenBy(t, "bob", "bob", "allowedAttributesEffective")
	for attribute, want := range map[string]bool{"unixUserPassword": false, "department": false, "telephoneNumber": true} {
		if got := strings.Contains(writable, "\nallowedAttributesEffective: "+attribute+"\n"); got != want {
			t.Errorf("bob may write his own %s: got %t, want %t", attribute, got, want)
		}
	}
	config := func(attribute, rule string) string {
		return ldapBlock("service_account EXAMPLE\\svc-web "+lab.Account("svc-web").Password+"\nbase_dn OU=Staff,"+domain.BaseDN) +
			"http://127.0.0.1:1 {\n\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\ttotp {\n\t\t\tattribute " + attribute + "\n\t\t}\n\t\trequire " + rule + "\n\t}\n\trespond ok\n}\n"
	}
	const owners = "neither its owner nor other users may read or write "
	for name, c := range map[string]verdict{
		"well":                       {config("unixUserPassword", "attribute department Web"), "", 0, "ok       access   " + owners + "unixUserPassword|ok       access   the service account may read unixUserPassword|all that could be looked at will work"},
		"not confidential":           {config("carLicense", "valid-user"), "", 1, "FAULT    access   any user may read others' carLicense|hint: whoever reads or writes it has the second factor|one thing will not work"},
		"written by its owner":       {config("telephoneNumber", "valid-user"), "", 1, "FAULT    access   any user may read others' telephoneNumber|FAULT    access   users may write their own telephoneNumber|2 things"},
		"no right to read":           {config("msPKI-CredentialRoamingTokens", "valid-user"), "", 1, "FAULT    access   the service account may not read msPKI-CredentialRoamingTokens|hint: give it Read Property and Control Access"},
		"no such attribute":          {config("oathSecret", "valid-user"), "", 1, "FAULT    access   the domain has no attribute oathSecret"},
		"a rule about one's own":     {config("unixUserPassword", "attribute telephoneNumber 1"), "", 1, "FAULT    access   users may write their own telephoneNumber, which rules or roles go by|hint: whoever may write it decides for himself"},
		"a filter about one's own":   {config("unixUserPassword", "filter (|(department=Web)(homePhone=1))"), "", 1, "FAULT    access   users may write their own homePhone, which rules or roles go by"},
		"a map about one's own":      {strings.Replace(config("unixUserPassword", "role staff"), "base_dn", "map {\n\t\t\thomePhone 1 staff\n\t\t}\n\t\tbase_dn", 1), "", 1, "FAULT    access   users may write their own homePhone, which rules or roles go by"},
		"what rules ask is guarded":  {config("unixUserPassword", "filter (department=Web)"), "", 0, owners},
		"confidential and the owner": {config("msPKIAccountCredentials", "valid-user"), "", 1, "FAULT    access   users may read their own msPKIAccountCredentials"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", "check-config", configFile(t, c.args))
			verdict{code: c.code, want: c.want}.check(t, code, out)
		})
	}
}
