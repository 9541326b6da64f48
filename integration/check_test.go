package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// doctor runs a subcommand of windows-auth with something on standard input.
func doctor(t *testing.T, input string, args ...string) (code int, out string) {
	t.Helper()
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, append([]string{"windows-auth"}, args...)...)
	command.Stdin = strings.NewReader(input)
	said, err := command.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), string(said)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(said)
}

// TestCheckUser against the real controllers, right and wrong (feature A41).
func TestCheckUser(t *testing.T) {
	dir := t.TempDir()
	secret, config := filepath.Join(dir, "secret"), filepath.Join(dir, "Caddyfile")
	short := filepath.Join(dir, "short.caddyfile")
	for path, text := range map[string]string{
		secret: lab.Account("carol").Password + "\n",
		config: fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n\t}\n}\n\nhttp://127.0.0.1:1 {\n\twindows_auth EXAMPLE\n\trespond ok\n}\n", domain.LDAPS(1), domain.CA()),
		short:  fmt.Sprintf("http://127.0.0.1:1 {\n\twindows_auth %s {\n\t\tdirectory {\n\t\t\ttls {\n\t\t\t\ttrust_pool file %s\n\t\t\t}\n\t\t}\n\t}\n\trespond ok\n}\n", domain.LDAPS(2), domain.CA()),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := []string{"--address", domain.LDAPS(1) + "/" + domain.BaseDN, "--ca", domain.CA()}
	carol := append([]string{"-u", "carol", "--password-file", secret}, address...)
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"authenticated":            {carol, 0, []string{`User EXAMPLE\carol was authenticated.`}},
		"in a group":               {append([]string{"-g", "Nobody,Nest C"}, carol...), 0, []string{"User belongs to at least one group."}},
		"in no group":              {append([]string{"-g", "Web Users"}, carol...), 1, []string{"was authenticated.", "error: ", "none of the groups", "hint: "}},
		"verbose":                  {append([]string{"-v"}, carol...), 0, []string{"CN=Carol Clark,OU=Staff," + domain.BaseDN, "Nest C", "S-1-5-21-"}},
		"ways":                     {append([]string{"-v"}, carol...), 0, []string{"through Nest C > Nest B\n", "primary group\n", "through Domain Users, which begins with the primary group", "S-1-1-0\n             by the security token alone"}},
		"another's ways":           {append([]string{"-v", "-m", "dave"}, carol...), 0, []string{"CN=Primary Team,OU=Groups," + domain.BaseDN, "primary group\n"}},
		"no such group":            {append([]string{"-g", "Nobody"}, carol...), 1, []string{"There is no group Nobody in ", "none of the groups"}},
		"no token group":           {append([]string{"-g", "Mail List"}, carol...), 1, []string{"Mail List is a distribution group of "}},
		"no such group beside one": {append([]string{"-g", "Nobody,Nest C"}, carol...), 0, []string{"There is no group Nobody in ", "User belongs to at least one group."}},
		"another's":                {append([]string{"-m", "alice", "-g", "Web Users"}, carol...), 0, []string{`User EXAMPLE\alice was found.`, "User belongs to at least one group."}},
		"nobody's":                 {append([]string{"-m", "nobody-at-all"}, carol...), 1, []string{"looking up nobody-at-all", "not_found"}},
		"by NTLM":                  {append([]string{"--ntlm", "-d", "EXAMPLE"}, carol...), 0, []string{"was authenticated."}},
		"config":                   {[]string{"-u", "carol", "--password-file", secret, "--config", config}, 0, []string{"was authenticated."}},
		"short form":               {[]string{"-u", `EXAMPLE\carol`, "--password-file", secret, "--config", short}, 0, []string{"was authenticated."}},
		"wrong":                    {append([]string{"-u", "bob", "-p", "wrong"}, address...), 1, []string{"error: user bob was not authenticated", "bad_credentials", "hint: no controller tells"}},
		"by display name":          {append([]string{"-u", "Bob Brown", "-p", lab.Account("bob").Password}, address...), 1, []string{"the log-in name (sAMAccountName or UPN, or uid) is wanted, not the display name"}},
		"another domain's base":    {[]string{"-u", "carol", "--password-file", secret, "-a", domain.LDAPS(1) + "/DC=wrong,DC=test", "--ca", domain.CA()}, 1, []string{"base_dn DC=wrong,DC=test is outside the domain " + domain.BaseDN, "hint: nobody will be found there: write base_dn " + domain.BaseDN}},
		"disabled":                 {append([]string{"-u", "disabled", "-p", lab.Account("disabled").Password}, address...), 1, []string{"disabled", "hint: the account is disabled"}},
		"other domain":             {append([]string{"-u", `OTHER\bob`, "-p", lab.Account("bob").Password}, address...), 1, []string{"was not authenticated"}},
		"unknown CA":               {[]string{"-u", "carol", "-p", "x", "-a", domain.LDAPS(1)}, 2, []string{"error: ", "tls", "--ca FILE"}},
		"no controller":            {[]string{"-u", "carol", "-p", "x", "-k", "-a", "ldaps://127.0.0.1:1"}, 2, []string{"unavailable", "hint: nothing listens"}},
		"no user":                  {address, 2, []string{"which user?"}},
		"no directory":             {[]string{"-u", "carol"}, 2, []string{"which directory?", "--config"}},
		"odd flag":                 {[]string{"--usr", "carol"}, 2, []string{"unknown flag", "--help lists the flags"}},
		"odd argument":             {[]string{"carol"}, 2, []string{"takes no argument"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", append([]string{"check-user"}, c.args...)...)
			if code != c.code {
				t.Errorf("got exit code %d, want %d\n%s", code, c.code, out)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("got\n%s\nwant %q in it", out, want)
				}
			}
			if strings.Contains(out, lab.Account("carol").Password) || strings.Contains(out, "goroutine") {
				t.Errorf("the output shows a password or a trace:\n%s", out)
			}
		})
	}
	if code, out := doctor(t, lab.Account("carol").Password+"\n", append([]string{"check-user", "-u", "carol"}, address...)...); code != 0 {
		t.Errorf("password on standard input: got %d\n%s", code, out)
	}
	if err := domain.Unlock("bob"); err != nil {
		t.Error(err)
	}
}

// TestCheckUserOfOpenLDAP: the ways to groups of a Unix directory, and groups that
// are not there.
func TestCheckUserOfOpenLDAP(t *testing.T) {
	server := openLDAP(t)
	config := configFile(t, fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t\tbase_dn %s\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n\t\tverify bind\n\t\tservice_account %s %s\n\t}\n}\n",
		server.LDAPS, slapd.Base, server.CA, slapd.Service, slapd.ServicePassword))
	for name, v := range map[string]verdict{
		"ways":          {"-v", "", 0, "group      staff  cn=staff,ou=groups," + slapd.Base + "\n             direct|group      circle  cn=circle,ou=groups," + slapd.Base + "\n             through staff > everybody\n|group      unix  cn=unix,ou=groups," + slapd.Base + "\n             memberUid|group      primary  cn=primary,ou=groups," + slapd.Base + "\n             gidNumber|group      above  cn=above,o=teams\n             through staff\n"},
		"another tree":  {"-g abroad", "", 0, "belongs to at least one group"},
		"no such group": {"-g nobodies,staff", "", 0, "There is no group nobodies in EXAMPLE"},
		"not in it":     {"-g unique", "", 1, "none of the groups"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "Secr3t-anna\n", append([]string{"check-user", "-u", "anna", "--config", config}, strings.Fields(v.args)...)...)
			v.check(t, code, out)
			if name != "no such group" && strings.Contains(out, "There is no group") {
				t.Errorf("a group that is there was not found:\n%s", out)
			}
		})
	}
}

// TestCheckUserInManyGroups: what is followed is bounded, and says so.
func TestCheckUserInManyGroups(t *testing.T) {
	if err := domain.Heap(1); err != nil {
		t.Fatal(err)
	}
	config := configFile(t, ldapBlock("timeout {\nrequest 30s\n}")) // the first log-in of such a user takes Samba seconds
	began := time.Now()
	code, out := doctor(t, "Secr3t-heavy\n", "check-user", "-v", "-u", "heavy", "--config", config)
	took := time.Since(began)
	t.Logf("it took %v", took)
	if code != 0 || took > time.Minute || !strings.Contains(out, "There are more groups, or deeper ones, than were followed.") || strings.Count(out, "\n             direct\n") < 1000 {
		t.Errorf("got %d after %v\n%.2000s", code, took, out)
	}
}

// TestCheckSite: which leg fails, and why (feature A42).
func TestCheckSite(t *testing.T) {
	dead := fmt.Sprintf("http://127.0.0.1:%d", freePort(t)) // a site whose controller is
	s := start(t, siteConfig{
		Body:  "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\textended_protection require\n\t\taccept_target 127.0.0.1 localhost\n\t\tthrottle off\n\t\trequire group \"Web Users\"\n\t}\n\trespond \"hello {http.auth.user.sam}\"\n",
		Extra: dead + " {\n\tbind 127.0.0.1\n\twindows_auth ldaps://127.0.0.1:1 {\n\t\tinsecure_basic\n\t}\n\trespond ok\n}\n",
	})
	alice, bob := lab.Account("alice").Password, lab.Account("bob").Password
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"offer":    {[]string{s.HTTP + "/"}, 0, []string{"leg 1, no credential: 401 Unauthorized, offers NTLM, Basic"}},
		"ntlm":     {[]string{"-u", "alice", "-d", "EXAMPLE", "-p", alice, "-v", s.HTTP + "/"}, 0, []string{"leg 2, NTLM Type 1: 401 Unauthorized, the challenge of EXAMPLE", "leg 3, NTLM Type 3: 200 OK", "hello alice"}},
		"by name":  {[]string{"-u", `EXAMPLE\alice`, "-p", alice, "-k", s.HTTPS + "/"}, 0, []string{"answered with the channel binding of the site's certificate", "leg 3, NTLM Type 3: 200 OK"}},
		"basic":    {[]string{"-u", "alice", "-p", alice, s.HTTP + "/"}, 0, []string{"leg 2, Basic: 200 OK"}},
		"wrong":    {[]string{"-u", "alice", "-d", "EXAMPLE", "-p", "wrong", s.HTTP + "/"}, 1, []string{"leg 3, NTLM Type 3: 401", "error: 401 Unauthorized: NTLM was refused", "hint: "}},
		"denied":   {[]string{"-u", "carol", "-p", lab.Account("carol").Password, s.HTTP + "/"}, 1, []string{"403 Forbidden", "no rule lets this user in"}},
		"no DC":    {[]string{"-u", "bob", "-p", bob, dead + "/"}, 2, []string{"leg 2, Basic: 503", "cannot ask a domain controller"}},
		"no DC 1":  {[]string{"-u", "bob", "-d", "EXAMPLE", "-p", bob, dead + "/"}, 2, []string{"leg 2, NTLM Type 1: 503", "cannot ask a domain controller"}},
		"no trust": {[]string{"-u", "alice", "-p", alice, s.HTTPS + "/"}, 2, []string{"certificate", "--ca"}},
		"no site":  {[]string{"http://127.0.0.1:1/"}, 2, []string{"connection refused", "hint: "}},
		"no URL":   {[]string{"intranet"}, 2, []string{"is no URL of a site"}},
		"two URLs": {[]string{"http://a/", "http://b/"}, 2, []string{"takes one URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", append([]string{"check-site"}, c.args...)...)
			if code != c.code {
				t.Errorf("got exit code %d, want %d\n%s", code, c.code, out)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("got\n%s\nwant %q in it", out, want)
				}
			}
		})
	}
	if err := domain.Unlock("alice"); err != nil {
		t.Error(err)
	}
}
