package integration

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// samba runs samba-tool beside the first controller.
func samba(t *testing.T, arguments ...string) {
	t.Helper()
	if err := domain.SambaTool(1, arguments...); err != nil {
		t.Fatal(err)
	}
}

// modify changes an account as an administrator does.
func modify(t *testing.T, dn, change string) {
	t.Helper()
	apply(t, "dn: "+dn+"\nchangetype: modify\n"+change+"\n")
}

// apply makes changes, written in LDIF, as an administrator does.
func apply(t *testing.T, ldif string) {
	t.Helper()
	c := exec.Command("ldapmodify", "-x", "-H", domain.LDAPS(1), "-D", domain.Domain+`\Administrator`, "-w", domain.AdminPassword)
	c.Env, c.Stdin = domain.Environ(), strings.NewReader(ldif)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("ldapmodify: %v\n%s", err, out)
	}
}

// newService makes an account with a name of its own, with AES unless etypes is
// empty, and its keytab.
func newService(t *testing.T, sam, spn, etypes string) (keytab string) {
	t.Helper()
	samba(t, "user", "create", sam, "Secr3t-"+sam)
	t.Cleanup(func() {
		if err := domain.SambaTool(1, "user", "delete", sam); err != nil {
			t.Error(err)
		}
	})
	samba(t, "spn", "add", spn, sam)
	if etypes != "" {
		modify(t, "CN="+sam+",CN=Users,"+domain.BaseDN, "replace: msDS-SupportedEncryptionTypes\nmsDS-SupportedEncryptionTypes: "+etypes)
	}
	keytab = filepath.Join(t.TempDir(), "service.keytab")
	samba(t, "domain", "exportkeytab", keytab, "--principal="+spn)
	return keytab
}

// without takes the keys in some places out of a keytab, the last first.
func without(t *testing.T, keytab string, places ...int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "less.keytab")
	script := "read_kt " + keytab + "\n"
	for _, place := range places {
		script += fmt.Sprintf("delete_entry %d\n", place)
	}
	c := exec.Command("ktutil")
	c.Stdin = strings.NewReader(script + "write_kt " + path + "\nquit\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("ktutil: %v\n%s", err, out)
	}
	return path
}

// copied is a copy of a file, of another mode.
func copied(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(to, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestCheckConfigKerberos: what of the keytab and the domain does not go together,
// and the cure.
func TestCheckConfigKerberos(t *testing.T) {
	old := newService(t, "svc-old", "HTTP/old.example.test", "24")
	samba(t, "user", "setpassword", "svc-old", "--newpassword=Secr3t-svc-older")
	gone := newService(t, "svc-gone", "HTTP/gone.example.test", "24")
	samba(t, "user", "disable", "svc-gone")
	silent := newService(t, "svc-silent", "HTTP/silent.example.test", "")
	quiet := newService(t, "svc-quiet", "HTTP/quiet.example.test", "24")
	modify(t, "CN=svc-quiet,CN=Users,"+domain.BaseDN, "delete: msDS-SupportedEncryptionTypes")
	twice := newService(t, "svc-twice", "HTTP/twice.example.test", "24")
	newService(t, "svc-twin", "HTTP/twin.example.test", "24")
	secondHolder(t, "HTTP/twice.example.test", "CN=svc-twin,CN=Users,"+domain.BaseDN)
	do(t, "replicating", domain.Replicate)
	config := func(verify string, hosts ...string) string {
		sites := ""
		for _, host := range hosts {
			sites += "http://" + host + ":18080 {\n\twindows_auth EXAMPLE\n\trespond ok\n}\n"
		}
		return configFile(t, ldapBlock("service_account EXAMPLE\\svc-web "+lab.Account("svc-web").Password+"\nverify bind\nverify "+verify)+sites)
	}
	web := domain.HTTPKeytab()
	for name, c := range map[string]struct {
		config string
		code   int
		want   string
	}{
		"well": {config("keytab "+web, "localhost"), 0,
			"ok       spn      HTTP/web.example.test is on svc-web: version 1, tickets of aes256-cts-hmac-sha1-96, and the keytab has that key|HTTP/localhost is on svc-web|ok       keytab   " + web + " has svc-web@EXAMPLE.TEST, HTTP/web.example.test@EXAMPLE.TEST, HTTP/localhost@EXAMPLE.TEST (version 1 aes256|ok       dns      localhost has an address, and is no alias|ok       clock    the same as here|ok       kerberos verify keytab, works at|all that could be looked at will work"},
		"another host, too":      {config("keytab "+web, "localhost", "nobody.example.test"), 0, "note     spn      no account of example.test has HTTP/nobody.example.test|hint: setspn -S HTTP/nobody.example.test svc-web, or samba-tool spn add|unclear  dns      nobody.example.test has no address"},
		"another host":           {config("keytab "+web, "nobody.example.test"), 1, "FAULT    spn      no account of example.test has HTTP/nobody.example.test"},
		"a host that spn leaves": {config("keytab "+web+" {\nspn HTTP/web.example.test\n}", "localhost"), 1, "FAULT    spn      spn HTTP/web.example.test takes no ticket for HTTP/localhost|hint: write HTTP/localhost behind spn"},
		"an address":             {config("keytab "+web, "127.0.0.1"), 0, "note     dns      127.0.0.1 has no ticket"},
		"no SPN":                 {config("keytab " + web + " {\nspn HTTP/nobody.example.test\n}"), 1, "FAULT    spn      no account of example.test has HTTP/nobody.example.test: clients get no ticket for it|hint: setspn -S HTTP/nobody.example.test svc-web, or samba-tool spn add HTTP/nobody.example.test svc-web|FAULT    kerberos verify keytab, will not work at|2 things"},
		"two have it":            {config("keytab " + twice), 1, "FAULT    spn      HTTP/twice.example.test stands on two accounts|CN=svc-twice,CN=Users," + domain.BaseDN + "|CN=svc-twin,CN=Users," + domain.BaseDN + "|hint: leave it to the account whose key is in " + twice + ": setspn -D HTTP/twice.example.test ACCOUNT"},
		"another's key":          {config("keytab " + web + " {\nspn HTTP/rc4.example.test\n}"), 1, "FAULT    spn      HTTP/rc4.example.test is on svc-rc4: the keytab has no key under a name of this account"},
		"an old key":             {config("keytab " + old), 1, "FAULT    spn      HTTP/old.example.test is on svc-old: the password was set anew after the keytab was written, whose newest key has version 2 and the account's 3|hint: write " + old + " anew"},
		"no enctypes said":       {config("keytab " + silent), 1, "FAULT    spn      HTTP/silent.example.test is on svc-silent: the keytab has no AES key of it, and tickets of RC4 are refused|hint: set msDS-SupportedEncryptionTypes of the account to 24"},
		"no enctypes any more":   {config("keytab " + quiet), 0, "note     spn      HTTP/quiet.example.test is on svc-quiet: the account does not say which enctypes it knows|hint: set msDS-SupportedEncryptionTypes of the account to 24"},
		"a machine's name":       {config("keytab " + web + " {\nspn HTTP/web01.example.test\n}"), 1, "HTTP/web01.example.test is on WEB01$: the keytab has no key under a name of this account"},
		"disabled":               {config("keytab " + gone), 1, "FAULT    spn      HTTP/gone.example.test is on svc-gone: the account is disabled|hint: enable the account"},
		"no AES":                 {config("keytab " + domain.RC4Keytab()), 1, "FAULT    spn      HTTP/rc4.example.test is on svc-rc4: the account has no AES (msDS-SupportedEncryptionTypes 4)|hint: set msDS-SupportedEncryptionTypes of the account to 24"},
		"no AES, allowed":        {config("keytab " + domain.RC4Keytab() + " {\nallow_rc4\n}"), 0, "note     spn      HTTP/rc4.example.test is on svc-rc4: tickets are of RC4|note     keytab   allow_rc4"},
		"a keytab without AES":   {config("keytab " + without(t, web, 8, 7, 5, 4, 2, 1)), 1, "FAULT    spn      HTTP/web.example.test is on svc-web: tickets will be of aes256-cts-hmac-sha1-96, and the keytab has no key of that with version 1"},
		"a keytab with AES128":   {config("keytab " + without(t, web, 7, 4, 1)), 1, "tickets will be of aes256-cts-hmac-sha1-96, and the keytab has no key"},
		"everybody's file":       {config("keytab "+copied(t, web, 0o644), "localhost"), 0, "note     keytab   |can be read by everybody on this machine (mode 0644)|hint: chmod o= "},
		"no keytab":              {config("keytab /nowhere/http.keytab"), 1, "FAULT    config|keytab /nowhere/http.keytab is not there: |no such file|hint: Caddy will not start with this: mend the path, or write /nowhere/http.keytab: ktpass"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", "check-config", c.config)
			verdict{code: c.code, want: c.want}.check(t, code, out)
		})
	}
}

// secondHolder puts a service principal name on one more account. Samba refuses
// that over the network; it comes of two controllers in truth.
func secondHolder(t *testing.T, spn, dn string) {
	t.Helper()
	c := exec.Command("ldbmodify", "-H", filepath.Join(domain.Dir, "dc1/private/sam.ldb.d", strings.ToUpper(domain.BaseDN)+".ldb"))
	c.Stdin = strings.NewReader("dn: " + dn + "\nchangetype: modify\nadd: servicePrincipalName\nservicePrincipalName: " + spn + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("ldbmodify: %v\n%s", err, out)
	}
}

// TestKerberosSelfTest: the log says at the start what will not work.
func TestKerberosSelfTest(t *testing.T) {
	words := strings.Replace(kerberosWords(), domain.HTTPKeytab(), domain.HTTPKeytab()+" {\nspn HTTP/nobody.example.test\n}", 1)
	s := start(t, siteConfig{LDAP: words, Body: whoami})
	e := s.waitLog(t, "self-test: Kerberos will not work")
	if text := e.text("error"); !strings.Contains(text, "no account of example.test has HTTP/nobody.example.test") || !strings.Contains(e.text("hint"), "setspn -S HTTP/nobody.example.test svc-web") {
		t.Errorf("got %v", e)
	}
}

// doctorWith is doctor with somebody's tickets.
func doctorWith(t *testing.T, env []string, args ...string) (code int, out string) {
	t.Helper()
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(binary, append([]string{"windows-auth"}, args...)...)
	c.Env = env
	said, err := c.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), string(said)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(said)
}

// TestCheckSiteKerberos: what ticket there is, what the site does with it, and the
// cure.
func TestCheckSiteKerberos(t *testing.T) {
	newService(t, "svc-other", "HTTP/other.example.test", "24")
	machine := "CN=WEB01,CN=Computers," + domain.BaseDN
	modify(t, machine, "add: msDS-SupportedEncryptionTypes\nmsDS-SupportedEncryptionTypes: 24")
	t.Cleanup(func() { modify(t, machine, "delete: msDS-SupportedEncryptionTypes") })
	do(t, "replicating", domain.Replicate) // any KDC may be asked
	denying, ntlm := fmt.Sprintf("http://localhost:%d", freePort(t)), fmt.Sprintf("http://localhost:%d", freePort(t))
	loose := fmt.Sprintf("https://localhost:%d", freePort(t))
	cert, key := certificate(t, t.TempDir())
	s := start(t, siteConfig{LDAP: kerberosWords(), Body: whoami, Extra: denying + " {\n\tbind 127.0.0.1\n\twindows_auth EXAMPLE {\n\t\trequire user bob\n\t}\n\trespond ok\n}\n" +
		ntlm + " {\n\tbind 127.0.0.1\n\twindows_auth EXAMPLE {\n\t\tschemes ntlm\n\t}\n\trespond ok\n}\n" +
		loose + " {\n\tbind 127.0.0.1\n\ttls " + cert + " " + key + "\n\twindows_auth EXAMPLE {\n\t\textended_protection off\n\t}\n\trespond ok\n}\n"})
	local := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1)
	alice := ticketsOf(t, "alice", "")
	kept := ticketsOf(t, "alice", "")
	kvno := exec.Command("kvno", "HTTP/localhost")
	if kvno.Env = kept; kvno.Run() != nil {
		t.Fatal("kvno gets no ticket")
	}
	bare := append(os.Environ(), "KRB5_CONFIG=/nowhere", "KRB5CCNAME=FILE:/nowhere")
	impostor, late := fakeSite(t, 200, 0), fakeSite(t, 401, 10*time.Minute+30*time.Second)
	byPassword := "-u alice@example.test -p " + lab.Account("alice").Password
	for name, c := range map[string]struct {
		env []string
		verdict
	}{
		"by the cache":              {alice, verdict{local, "", 0, "ticket for HTTP/localhost@EXAMPLE.TEST of alice@EXAMPLE.TEST, new from the KDC|aes256-cts-hmac-sha1-96, under the service's key version 1; session key aes256|leg 2, Negotiate with the ticket: 200 OK|the site has proven itself"}},
		"a ticket there":            {kept, verdict{"-v " + local, "", 0, "from the cache|200 OK|the site has proven itself|" + strings.TrimSpace(who(t, "alice", "negotiate", "keytab"))}},
		"HTTPS":                     {alice, verdict{"-k " + s.HTTPS + "/", "", 0, "sent with the channel binding of the site's certificate|200 OK|the site has proven itself|leg 3, bound to another connection: 401 Unauthorized|the site compares channel bindings (extended protection)"}},
		"a site that does not bind": {alice, verdict{"-k " + loose + "/", "", 0, "leg 2, Negotiate with the ticket: 200 OK|the site has proven itself|leg 3, bound to another connection: 200 OK|the site does not compare channel bindings"}},
		"no such host":              {alice, verdict{"http://nobody.invalid/", "", 2, "asking nobody.invalid|hint: does the name resolve"}},
		"by password":               {bare, verdict{byPassword + " --kdc " + domain.Addr(1) + " " + local, "", 0, "new from the KDC|200 OK"}},
		"another name of it":        {alice, verdict{"--spn HTTP/web.example.test " + local, "", 0, "200 OK|the site has proven itself"}},
		"denied":                    {alice, verdict{denying, "", 1, "403 Forbidden|no rule lets this user in"}},
		"wrong password":            {alice, verdict{"-u alice@EXAMPLE.TEST -p wrong " + local, "", 1, "the site offers it and there is no ticket|KDC_ERR_PREAUTH_FAILED|hint: wrong name or password"}},
		"no such user":              {alice, verdict{"-u nobody -p x " + local, "", 1, "KDC_ERR_C_PRINCIPAL_UNKNOWN|hint: wrong name or password"}},
		"no tickets":                {append(slices.Clone(alice), "KRB5CCNAME=FILE:/nowhere"), verdict{local, "", 2, "the site offers it and there is no ticket|no such file|hint: kinit alice@EXAMPLE.COM"}},
		"no cache of files":         {append(slices.Clone(alice), "KRB5CCNAME=KEYRING:x"), verdict{local, "", 2, "this reads caches in files alone|hint: kinit -c FILE:"}},
		"no SPN":                    {alice, verdict{"--spn HTTP/nobody.example.test " + local, "", 1, "the domain gives no ticket for HTTP/nobody.example.test|hint: no account has this name, or two have: setspn -Q"}},
		"another's key":             {alice, verdict{"--spn HTTP/web01.example.test " + local, "", 1, "leg 2, Negotiate with the ticket: 401|the ticket was refused|version 1 of the key of the account that has HTTP/web01.example.test (klist -ekt there, setspn -Q HTTP/web01.example.test)"}},
		"another version":           {alice, verdict{"--spn HTTP/other.example.test " + local, "", 2, "leg 2, Negotiate with the ticket: 503|the site cannot decide about the ticket|lacks version 2 of the key"}},
		"RC4":                       {alice, verdict{"--spn HTTP/rc4.example.test " + local, "", 1, "rc4-hmac, under the service's key|the ticket was refused, which is of RC4|hint: give the service's account AES"}},
		"an address":                {alice, verdict{s.HTTP, "", 2, "there are no tickets for an address|hint: write the host name"}},
		"not offered":               {alice, verdict{ntlm, "", 2, "the site does not offer Negotiate|hint: it does so where its directory has verify keytab"}},
		"no KDC":                    {bare, verdict{byPassword + " --kdc 127.0.0.1:1 " + local, "", 2, "no KDC answers|hint: is port 88"}},
		"no realm":                  {bare, verdict{"-u alice -p x --kdc 127.0.0.1:1 " + local, "", 2, "of which realm is alice?"}},
		"two ways":                  {alice, verdict{"--kdc x --krb5-conf y " + local, "", 2, "contradict each other"}},
		"an impostor":               {alice, verdict{impostor, "", 1, "200 OK|the site has not proven itself"}},
		"a wrong clock":             {alice, verdict{late, "", 1, "the site's clock is 10m|hint: Kerberos bears five minutes"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctorWith(t, c.env, append([]string{"check-site", "--kerberos"}, strings.Fields(c.args)...)...)
			c.check(t, code, out)
		})
	}
	if err := domain.Unlock("alice"); err != nil {
		t.Error(err)
	}
}

// fakeSite offers Negotiate and answers any ticket alike: with a status, a clock
// that is off, and an AP-REP that nobody's key has made.
func fakeSite(t *testing.T, status int, ahead time.Duration) string {
	t.Helper()
	const notOurs = "oXgwdqADCgEAoQsGCSqGSIb3EgECAqJiBGBgXgYJKoZIhvcSAQICAgBvTzBNoAMCAQWhAwIBD6JBMD+gAwIBEqI4BDYAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU="
	if _, err := base64.StdEncoding.DecodeString(notOurs); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Negotiate ") {
			w.Header().Set("WWW-Authenticate", "Negotiate")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("WWW-Authenticate", "Negotiate "+notOurs)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/"
}

// TestExplainTickets: whom a ticket asks, and of which realm its owner is.
func TestExplainTickets(t *testing.T) {
	service := "service_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password
	block := func(name, words string) string {
		return fmt.Sprintf("\tldap %s {\n\t\tserver %s\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n%s\n\t}\n", name, domain.LDAPS(1), domain.CA(), words)
	}
	config := configFile(t, "{\n"+block("EXAMPLE", service+"\nverify bind\nverify relay\nverify keytab "+domain.HTTPKeytab())+
		block("ALONE", service+"\nverify keytab "+domain.HTTPKeytab()+" {\nrealms EXAMPLE.TEST OTHER.TEST\n}")+
		block("BARE", "verify keytab "+domain.HTTPKeytab())+block("PLAIN", service+"\nverify bind")+"}\n"+`
http://all.test {
	windows_auth EXAMPLE
	respond ok
}
http://tickets.test {
	windows_auth ALONE {
		require group "Web Users"
	}
	respond ok
}
http://bare.test {
	windows_auth PLAIN BARE {
		insecure_basic
	}
	respond ok
}
http://two.test {
	windows_auth PLAIN ALONE {
		insecure_basic
	}
	respond ok
}
`)
	for name, v := range map[string]verdict{
		"beside others":        {"alice --site http://all.test", "", 0, "ticket    whoever shows one, of the realm EXAMPLE.TEST, is looked up in EXAMPLE\n|200: EXAMPLE\\alice is let in"},
		"tickets alone":        {"alice --site http://tickets.test", "", 0, "of ALONE|of the realm EXAMPLE.TEST or OTHER.TEST, is looked up in ALONE|fits      group|is let in"},
		"tickets alone, not":   {"bob --site http://tickets.test", "", 1, "does not  group|403 Forbidden"},
		"another directory":    {"alice --site http://two.test", "", 0, "of PLAIN|is looked up in ALONE|a ticket asks ALONE alone, whoever logs in: what follows is true of Basic"},
		"by SIDs alone":        {"alice --site http://bare.test", "", 0, "of PLAIN|is known to BARE by the SIDs in it: it has no service_account, and rules about names let nobody in|a ticket asks BARE alone"},
		"no log-in by tickets": {"alice --site http://tickets.test --log-in", "", 2, "nobody logs in at ALONE by a password|hint: leave --log-in"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", append([]string{"explain", "--config", config}, strings.Fields(v.args)...)...)
			v.check(t, code, out)
		})
	}
}
