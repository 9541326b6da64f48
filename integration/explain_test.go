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

const explained = `
intranet.example.com {
	windows_auth EXAMPLE {
		require any {
			group "Web Users" "Nest A"
			attribute title Engineer
			sid S-1-5-4
			user bob
		}
		bypass remote_ip 10.0.0.0/8
		bypass path /public/*
	}
	@bob windows_user bob
	handle @bob {
		respond bob
	}
	handle_path /hr/* {
		require all {
			valid-user
			none {
				group "Nest C"
				group Nobodies
			}
		}
		handle /x {
			require user dave
		}
		respond ok
	}
	@marked header X-Mark 1
	handle @marked {
		require group "Mail List"
	}
	respond ok
}
open.example.com {
	respond ok
}
alone.example.com {
	require group HR
}
`

// ldapBlock is a directory of the lab's first controller.
func ldapBlock(words string) string {
	return fmt.Sprintf("{\n\tldap EXAMPLE {\n\t\tserver %s\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n%s\n\t}\n}\n", domain.LDAPS(1), domain.CA(), words)
}

// configFile writes a configuration for the doctor.
func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verdict is what the doctor must say.
type verdict struct {
	args  string
	input string
	code  int
	want  string // parts, with | between them
}

func (v verdict) check(t *testing.T, code int, out string) {
	t.Helper()
	if code != v.code {
		t.Errorf("got exit code %d, want %d\n%s", code, v.code, out)
	}
	for want := range strings.SplitSeq(v.want, "|") {
		if !strings.Contains(out, want) {
			t.Errorf("got\n%s\nwant %q in it", out, want)
		}
	}
	if strings.Contains(out, "Secr3t-") || strings.Contains(out, "goroutine") {
		t.Errorf("the output shows a password or a trace:\n%s", out)
	}
}

// TestExplain: which rule decides about whom, and why.
func TestExplain(t *testing.T) {
	service := "service_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password + "\nbase_dn OU=Staff," + domain.BaseDN + " OU=Services," + domain.BaseDN
	looked := configFile(t, ldapBlock(service)+explained)
	alone := configFile(t, ldapBlock("")+explained)
	carol := lab.Account("carol").Password + "\n"
	for name, c := range map[string]struct {
		config string
		verdict
	}{
		"by a nested group":      {looked, verdict{"carol", "", 1, `fits      group "Web Users" "Nest A": a member of Nest A|title is Engineer|assumed: bypass by remote_ip does not fit|does not  group "Mail List"|Mail List is a distribution group|taken only where header fits`}},
		"by none":                {looked, verdict{"carol --path /hr/y", "", 1, `does not  none|fits      group "Nest C": a member of Nest C|there is no group Nobodies in EXAMPLE|error: 403 Forbidden: require does not let EXAMPLE\carol in`}},
		"past none":              {looked, verdict{"dave --path /hr/x", "", 0, `fits      none|does not  group Nobodies|fits      user dave|200: EXAMPLE\dave is let in`}},
		"stripped path":          {looked, verdict{"alice --path /hr/x", "", 1, `does not  user dave: the account is EXAMPLE\alice`}},
		"a matcher of users":     {looked, verdict{"bob", "", 0, `200: EXAMPLE\bob is let in`}},
		"a SID of log-ins":       {looked, verdict{"eve", "", 2, `unseen    sid S-1-5-4|hint: say --log-in`}},
		"the same, logged in":    {looked, verdict{"carol --log-in --path /hr/y", carol, 1, `has logged in|does not  sid S-1-5-4: has none of them`}},
		"no service account":     {alone, verdict{"carol --path /hr/y", carol, 1, `has logged in|does not  none`}},
		"wrong password":         {alone, verdict{"carol", "wrong\n", 1, "error: 401 Unauthorized: user carol|bad_credentials"}},
		"bypass":                 {looked, verdict{"alice --path /public/x", "", 0, "200: let in by a bypass"}},
		"bypass of a trick":      {looked, verdict{"bob --path /public/..;/x", "", 0, `more than one way|200: EXAMPLE\bob`}},
		"disabled":               {looked, verdict{"disabled", "", 1, "error: 401 Unauthorized: user disabled|disabled|hint: "}},
		"locked":                 {looked, verdict{"locked", "", 1, "error: 401 Unauthorized: user locked"}},
		"outside":                {looked, verdict{"outsider", "", 1, "403 Forbidden by NTLM, 401 Unauthorized by Basic|under none of the base DNs|add its place to base_dn"}},
		"nobody":                 {looked, verdict{"nobody-at-all", "", 1, "401 Unauthorized|no account has this log-in name"}},
		"another domain":         {looked, verdict{`OTHER\alice`, "", 1, "401 Unauthorized|identity_mismatch"}},
		"UPN":                    {looked, verdict{"alice@example.test --path /public", "", 1, `EXAMPLE\alice of EXAMPLE`}},
		"no such site":           {looked, verdict{"alice --site other.example.com", "", 2, "no server of the configuration has a site other.example.com|hint: "}},
		"no such port":           {looked, verdict{"alice --site intranet.example.com:8443", "", 2, "no server of the configuration"}},
		"by port":                {looked, verdict{"bob --site https://intranet.example.com:443", "", 0, "is let in"}},
		"open site":              {looked, verdict{"alice --site open.example.com", "", 0, "everybody is let in, and nobody logs in"}},
		"require alone":          {looked, verdict{"alice --site alone.example.com", "", 1, "500 Internal Server Error|put windows_auth on every path"}},
		"no configuration":       {"/nowhere", verdict{"alice", "", 2, "no such file|hint: "}},
		"no user":                {looked, verdict{"", "", 2, "takes one user"}},
		"no site":                {looked, verdict{"alice --site /x", "", 2, "is no host"}},
		"nothing nested":         {configFile(t, ldapBlock(service+"\ngroup {\nnested off\n}")+explained), verdict{"alice --path /hr/y", "", 0, `a member of Web Users|does not  sid S-1-5-4|200: EXAMPLE\alice is let in`}},
		"nested, and off":        {configFile(t, ldapBlock(service+"\ngroup {\nnested off\n}")+strings.ReplaceAll(explained, "attribute title Engineer", "user nobody")), verdict{"carol", "", 1, `does not  group "Web Users" "Nest A": no member`}},
		"a group by everybody":   {configFile(t, ldapBlock(service)+strings.ReplaceAll(explained, "Nest A", "Pre-Windows 2000 Compatible Access")), verdict{"bob", "", 0, "a member of Pre-Windows 2000 Compatible Access"}},
		"filtered out":           {configFile(t, ldapBlock(service+"\ngroup {\nfilter \"(!(cn=Pre-Windows 2000 Compatible Access))\"\n}")+strings.ReplaceAll(explained, "Nest A", "Pre-Windows 2000 Compatible Access")), verdict{"bob", "", 0, `does not  group "Web Users" "Pre-Windows 2000 Compatible Access": no member`}},
		"a configuration broken": {configFile(t, "{\n\tldap EXAMPLE {\n\t\tsrever x\n\t}\n}\n"), verdict{"alice", "", 2, "error: |hint: caddy validate"}},
		"no controller":          {configFile(t, "{\n\tldap EXAMPLE {\n\t\tserver ldaps://127.0.0.1:1\n\t\tservice_account EXAMPLE\\svc x\n\t}\n}\n"+explained), verdict{"alice", "", 2, "error: 503 Service Unavailable|nothing listens"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"explain", "--config", c.config, "--site", "intranet.example.com"}, strings.Fields(c.args)...)
			code, out := doctor(t, c.input, args...)
			c.check(t, code, out)
		})
	}
	if err := domain.Unlock("carol"); err != nil {
		t.Error(err)
	}
}

// TestExplainOpenLDAP: the same of a directory without SIDs.
func TestExplainOpenLDAP(t *testing.T) {
	server := openLDAP(t)
	config := configFile(t, fmt.Sprintf(`{
	ldap EXAMPLE {
		server %s
		base_dn %s
		tls {
			trust_pool file %s
		}
		verify bind
		service_account %s %s
	}
}
http://intranet.example.com:8080 {
	windows_auth EXAMPLE {
		insecure_basic
		require group everybody abroad
		require filter (employeeType=contractor)
	}
	handle /x {
		respond ok
	}
	handle {
		require user anna
	}
}
http://sid.example.com:8080 {
	windows_auth EXAMPLE {
		insecure_basic
		username sid
	}
	respond ok
}
`, server.LDAPS, slapd.Base, server.CA, slapd.Service, slapd.ServicePassword))
	for name, v := range map[string]verdict{
		"in a group":     {"anna", "", 0, "a member of everybody|does not  filter|200: EXAMPLE\\anna is let in"},
		"by a filter":    {"ben", "", 1, "does not  group everybody abroad: no member|fits      filter|does not  user anna"},
		"before require": {"ben --path /x", "", 0, "is let in"},
		"in nothing":     {"paul", "", 1, "403 Forbidden: windows_auth does not let"},
		"nobody":         {"nobody", "", 1, "401 Unauthorized"},
		"no name":        {"anna --site sid.example.com:8080", "", 1, "500 Internal Server Error: user anna|hint: Choose another username format"},
		"two of a name":  {"twin", "", 1, "401 Unauthorized|ambiguous"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", append([]string{"explain", "--config", config, "--site", "intranet.example.com:8080"}, strings.Fields(v.args)...)...)
			v.check(t, code, out)
		})
	}
}

// explainedAlso is sites whose door decides by more than rules.
const explainedAlso = `
http://preflight.test {
	windows_auth EXAMPLE {
		insecure_basic
		allow_preflight
		require user alice
	}
	respond ok
	handle_errors {
		respond sorry 200
	}
}
http://bypass.test {
	windows_auth EXAMPLE {
		insecure_basic
		bypass path /public/*
		bypass method POST
		require user alice
	}
	respond ok
}
http://basic.test, https://basic.test {
	windows_auth EXAMPLE {
		schemes basic
	}
	respond /forbidden 403
	error /error 404
	abort /abort
	redir /old /new
	respond ok
}
http://twice.test {
	windows_auth EXAMPLE {
		insecure_basic
	}
	handle /same {
		windows_auth EXAMPLE {
			insecure_basic
			require user alice
		}
	}
	handle /other {
		windows_auth SECOND {
			insecure_basic
		}
	}
	respond ok
}
http://two.test {
	windows_auth SECOND EXAMPLE {
		insecure_basic
	}
	respond ok
}
`

// TestExplainTheDoor: what decides beside rules.
func TestExplainTheDoor(t *testing.T) {
	service := "base_dn OU=Staff," + domain.BaseDN + "\nservice_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password
	text := ldapBlock(service)
	second := fmt.Sprintf("\tldap SECOND {\n\t\tserver %s\n\t\ttls {\n\t\t\ttrust_pool file %s\n\t\t}\n\t\tdomain ELSEWHERE\n%s\n\t}\n}\n", domain.LDAPS(2), domain.CA(), service)
	config := configFile(t, strings.TrimSuffix(text, "}\n")+second+explainedAlso)
	for name, v := range map[string]verdict{
		"a preflight":            {"bob --site preflight.test --method OPTIONS", "", 1, "assumed: allow_preflight lets it not pass|assumed: handle_errors leaves the status as it is|403 Forbidden"},
		"no preflight":           {"alice --site preflight.test", "", 0, "200: EXAMPLE\\alice is let in"},
		"a bypass of two":        {"bob --site bypass.test --path /public/..;/x --method POST", "", 0, "more than one way|fits: the request passes|200: let in by a bypass"},
		"no bypass by its trick": {"bob --site bypass.test --path /public/..;/x", "", 1, "more than one way|403 Forbidden"},
		"a path of two readings": {"bob --site bypass.test --path /x/..;/y --method POST", "", 0, "200: let in by a bypass"},
		"Basic in the clear":     {"alice --site http://basic.test", "", 1, "401 Unauthorized: no scheme is offered but Basic|insecure_basic"},
		"Basic over HTTPS":       {"alice --site https://basic.test", "", 0, "200: EXAMPLE\\alice is let in"},
		"Basic, who knows":       {"alice --site basic.test", "", 0, "assumed: the request comes over HTTPS|200: EXAMPLE\\alice is let in"},
		"the site says no":       {"alice --site https://basic.test --path /forbidden", "", 0, "403 Forbidden: EXAMPLE\\alice is let in, and the site has this answer for everybody"},
		"an error":               {"alice --site https://basic.test --path /error", "", 0, "404 Not Found: EXAMPLE\\alice is let in"},
		"an abort":               {"alice --site https://basic.test --path /abort", "", 0, "no answer: EXAMPLE\\alice is let in, and the site has this answer for everybody"},
		"a redirect":             {"alice --site https://basic.test --path /old", "", 0, "302 Found: neither windows_auth nor require is on the way"},
		"known from before":      {"alice --site twice.test --path /same", "", 0, "the same: the windows_auth before knows|200: EXAMPLE\\alice is let in"},
		"known and refused":      {"bob --site twice.test --path /same", "", 1, "the same: the windows_auth before knows|403 Forbidden"},
		"credential taken":       {"alice --site twice.test --path /other", "", 1, "401 Unauthorized: the windows_auth before has taken the log-in by EXAMPLE"},
		"NTLM asks another":      {"EXAMPLE\\alice --site two.test", "", 0, "of EXAMPLE|NTLM asks SECOND alone|200: EXAMPLE\\alice is let in"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := doctor(t, "", append([]string{"explain", "--config", config}, strings.Fields(v.args)...)...)
			v.check(t, code, out)
		})
	}
}
