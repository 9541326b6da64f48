package caddyldap

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheckStatic(t *testing.T) {
	for _, c := range []struct{ name, config, want string }{
		{"least", `{"server":[{"url":"dc1"}]}`, ""},
		{"all", `{"server":[{"url":"ldap://dc1"},{"url":"ldaps://dc2"}],"starttls":true,"domain":"EXAMPLE","dns_domain":"example.com",
			"base_dn":["DC=example,DC=com"],"service_account":{"mechanism":"simple","name":"EXAMPLE\\svc","secret":"x"},
			"timeout":{"dial":1,"request":1},"verify":[{"verifier":"bind"},{"verifier":"relay"}]}`, ""},
		{"plain, allowed", `{"server":[{"url":"ldap://dc1"}],"insecure_plaintext":true}`, ""},
		{"no server", `{}`, "server ldaps://"},
		{"bad server", `{"server":[{"url":"http://dc1"}]}`, "not spoken"},
		{"plain", `{"server":[{"url":"ldap://dc1"}]}`, "write ldaps://dc1, or starttls"},
		{"starttls for nothing", `{"server":[{"url":"dc1"}],"starttls":true}`, "remove starttls"},
		{"plaintext for nothing", `{"server":[{"url":"dc1"}],"insecure_plaintext":true}`, "remove it"},
		{"both", `{"server":[{"url":"ldap://dc1"}],"starttls":true,"insecure_plaintext":true}`, "contradict"},
		{"DNS name as domain", `{"server":[{"url":"dc1"}],"domain":"example.com"}`, "dns_domain"},
		{"bad dns_domain", `{"server":[{"url":"dc1"}],"dns_domain":"exa mple"}`, "dns_domain"},
		{"bad base", `{"server":[{"url":"dc1"}],"base_dn":["example.com"]}`, "base_dn"},
		{"empty base", `{"server":[{"url":"dc1"}],"base_dn":[""]}`, "base_dn"},
		{"mechanism", `{"server":[{"url":"dc1"}],"service_account":{"mechanism":"digest","name":"a","secret":"b"}}`, "simple"},
		{"no account name", `{"server":[{"url":"dc1"}],"service_account":{"secret":"b"}}`, "name"},
		{"no secret", `{"server":[{"url":"dc1"}],"service_account":{"name":"a"}}`, "{file."},
		{"discover alone", `{"discover":{"dns_domain":"example.com.","site":"Berlin_1"}}`, ""},
		{"discover by StartTLS", `{"discover":{"dns_domain":"example.com"},"starttls":true}`, ""},
		{"discover beside plain", `{"server":[{"url":"ldap://dc1"}],"discover":{"dns_domain":"example.com"},"insecure_plaintext":true}`, ""},
		{"discover plain", `{"discover":{"dns_domain":"example.com"},"insecure_plaintext":true}`, "never asked without TLS"},
		{"discover nothing", `{"discover":{}}`, "not a DNS name"},
		{"discover a root", `{"discover":{"dns_domain":"."}}`, "not a DNS name"},
		{"discover a top-level domain", `{"discover":{"dns_domain":"com"}}`, "has a dot in it"},
		{"discover a long label", `{"discover":{"dns_domain":"` + strings.Repeat("a", 64) + `.com"}}`, "not a DNS name"},
		{"discover a long name", `{"discover":{"dns_domain":"` + strings.Repeat("a.", 120) + `com"}}`, "longer than DNS allows"},
		{"discover an address", `{"discover":{"dns_domain":"2001:db8::1"}}`, "server line"},
		{"discover with a password", `{"discover":{"dns_domain":"ldaps://svc:pass@example.com"}}`, "discover …@example.com"},
		{"site of two labels", `{"discover":{"dns_domain":"example.com","site":"a.b"}}`, "name of a site"},
		{"negative", `{"server":[{"url":"dc1"}],"timeout":{"dial":-1}}`, "negative"},
		{"unknown verifier", `{"server":[{"url":"dc1"}],"verify":[{"verifier":"winbind"}]}`, "no such verifier"},
		{"nameless verifier", `{"server":[{"url":"dc1"}],"verify":[{}]}`, "no such verifier"},
		{"twice", `{"server":[{"url":"dc1"}],"verify":[{"verifier":"bind"},{"verifier":"bind"}]}`, "twice"},
		{"two for passwords", `{"server":[{"url":"dc1"}],"verify":[{"verifier":"bind"},{"verifier":"kerberos_password","file":"x"}]}`, "both decide passwords"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := new(Directory)
			if err := json.Unmarshal([]byte(c.config), d); err != nil {
				t.Fatal(err)
			}
			err := d.CheckStatic()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

// TestTemplates: whoever logs in chooses a value and no other part of a DN.
func TestTemplates(t *testing.T) {
	const people = ",ou=people,dc=example,dc=com"
	for template, want := range map[string]string{
		"uid={user}" + people:                   "",
		"cn={user} (staff)+uid={user}" + people: "",
		"uid=a,ou={user},dc=example,dc=com":     "",
		`uid=\2c{user}` + people:                "",
		"uid=alice" + people:                    "with {user} in it",
		"{user}=alice" + people:                 "value of an attribute alone",
		"x-{user}=alice" + people:               "value of an attribute alone",
		"{user}={user}" + people:                "value of an attribute alone",
		"uid={user}+{user}=x" + people:          "value of an attribute alone",
		"{user}" + people:                       "value of an attribute alone",
		"uid=a,{user}":                          "value of an attribute alone",
		`uid=\{user}` + people:                  "value of an attribute alone",
		`uid=\2{user}` + people:                 "value of an attribute alone",
		"uid=#{user}" + people:                  "value of an attribute alone",
		`uid="{user}"` + people:                 "value of an attribute alone",
		"{user}":                                "value of an attribute alone",
	} {
		d := &Directory{BindAs: &BindAs{Form: bindTemplate, Template: template}}
		err := d.CheckBindAs()
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "write bind_as template uid={user}")) {
			t.Errorf("%s: got %v, want %q", template, err, want)
		}
	}
}

func TestDNSFromDN(t *testing.T) {
	for dn, want := range map[string]string{
		"DC=example,DC=com":          "example.com",
		"OU=Staff,dc=example,dc=com": "example.com",
		"OU=Staff,O=Example":         "",
		"DC=a,OU=b,DC=c":             "c",
	} {
		if got := dnsFromDN(dn); got != want {
			t.Errorf("%s: got %q, want %q", dn, got, want)
		}
	}
}

func TestServes(t *testing.T) {
	for name, want := range map[string]Service{
		"bind": {Password: true}, "relay": {NTLM: true}, "keytab": {Ticket: true}, "kerberos_password": {Password: true}, "netlogon": {Password: true, NTLM: true}, "smb": {Password: true, NTLM: true}, "winbind": {}, "": {},
	} {
		if got := Serves(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}
