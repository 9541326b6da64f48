package adapt

import (
	"strings"
	"testing"
)

// What a Caddyfile cannot say, or says with a line, JSON can say too: such
// mistakes end when the configuration is provisioned, and name what to mend.
func TestJSONMistakes(t *testing.T) {
	const (
		good    = `{"server": [{"url": "ldaps://dc1.example.com"}]}`
		account = `, "service_account": {"mechanism": "simple", "name": "EXAMPLE\\svc-web", "secret": "` + secret + `"}`
	)
	for _, c := range []struct{ name, directory, handler, want string }{
		{"no server", `{}`, `"directories": ["EXAMPLE"]`, "no server"},
		{"no directory of that name", good, `"directories": ["EXMAPLE"]`, "EXMAPLE"},
		{"no directory", good, ``, "director"},
		{"names and a directory", good, `"directories": ["EXAMPLE"], "directory": ` + good, "director"},
		{"plain ldap", `{"server": [{"url": "ldap://dc1.example.com"}]}`, `"directories": ["EXAMPLE"]`, "ldap://dc1.example.com"},
		{"bad URL", `{"server": [{"url": "ldaps://:636"}]}`, `"directories": ["EXAMPLE"]`, "host is missing"},
		{"bad base", `{"server": [{"url": "ldaps://dc1.example.com"}], "base_dn": ["example.com"]}`, `"directories": ["EXAMPLE"]`, "base_dn"},
		{"bad mechanism", `{"server": [{"url": "ldaps://dc1.example.com"}]` + strings.Replace(account, "simple", "digest", 1) + `}`, `"directories": ["EXAMPLE"]`, "mechanism"},
		{"secret nowhere", `{"server": [{"url": "ldaps://dc1.example.com"}]` + strings.Replace(account, secret, "{env.NOT_SET_ANYWHERE}", 1) + `}`, `"directories": ["EXAMPLE"]`, "NOT_SET_ANYWHERE"},
		{"unknown verifier", `{"server": [{"url": "ldaps://dc1.example.com"}], "verify": [{"verifier": "oracle"}]}`, `"directories": ["EXAMPLE"]`, "oracle"},
		{"unknown key", `{"servers": []}`, `"directories": ["EXAMPLE"]`, "servers"},
		{"unknown scheme", good, `"directories": ["EXAMPLE"], "schemes": ["kerberos"]`, "kerberos"},
		{"scheme twice", good, `"directories": ["EXAMPLE"], "schemes": ["basic", "basic"]`, "basic"},
		{"scheme nobody serves", `{"server": [{"url": "ldaps://dc1.example.com"}], "verify": [{"verifier": "bind"}]}`, `"directories": ["EXAMPLE"], "schemes": ["ntlm"]`, "ntlm"},
		{"negotiate nobody serves", `{"server": [{"url": "ldaps://dc1.example.com"}], "verify": [{"verifier": "bind"}]}`, `"directories": ["EXAMPLE"], "schemes": ["negotiate"]`, "negotiate"},
		{"unknown username", good, `"directories": ["EXAMPLE"], "username": {"format": "login"}`, "login"},
		{"rule that says two things", good, `"directories": ["EXAMPLE"], "require": {"user": ["a"], "group": ["b"]}`, "several"},
		{"none alone", good, `"directories": ["EXAMPLE"], "require": {"none": [{"group": ["b"]}]}`, "none stands only inside all"},
		{"bad SID", good, `"directories": ["EXAMPLE"], "require": {"sid": ["S-1-5-x"]}`, "security identifier"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := `{"apps": {"ldap": {"directories": {"EXAMPLE": ` + c.directory + `}}, "http": {"servers": {"srv0": {
				"listen": ["127.0.0.1:0"], "automatic_https": {"disable": true},
				"routes": [{"handle": [` + join(`"handler": "windows_auth"`, c.handler) + `]}]}}}}}`
			err := provision(t, []byte(config))
			if err == nil {
				t.Fatal("provisions, and should not")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestJSONMistakesOfRequire(t *testing.T) {
	for _, c := range []struct{ name, rule, want string }{
		{"none alone", `{"none": [{"valid_user": true}]}`, "none stands only inside all"},
		{"empty all", `{"all": []}`, "all holds no rule"},
		{"nobody", `{"user": []}`, "user names nobody"},
		{"bad DN", `{"group": ["CN=x,DC"]}`, "distinguished name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := provision(t, []byte(`{"apps": {"http": {"servers": {"srv0": {
				"listen": ["127.0.0.1:0"], "automatic_https": {"disable": true},
				"routes": [{"handle": [`+join(`"handler": "require"`, `"rule": `+c.rule)+`]}]}}}}}`))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func join(fields ...string) string {
	var set []string
	for _, f := range fields {
		if f != "" {
			set = append(set, f)
		}
	}
	return "{" + strings.Join(set, ", ") + "}"
}
