package caddyldap

import (
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want URL
	}{
		{"dc1.example.com", URL{true, "dc1.example.com", "636", ""}},
		{"dc1.example.com:1636", URL{true, "dc1.example.com", "1636", ""}},
		{"ldaps://dc1.example.com", URL{true, "dc1.example.com", "636", ""}},
		{"LDAPS://dc1.example.com/", URL{true, "dc1.example.com", "636", ""}},
		{"ldap://dc1.example.com", URL{false, "dc1.example.com", "389", ""}},
		{"ldaps://dc1:1636/DC=example,DC=com", URL{true, "dc1", "1636", "DC=example,DC=com"}},
		{"ldaps://dc1/OU=Power%20Users%2CDC%3Dexample,DC=com", URL{true, "dc1", "636", "OU=Power Users,DC=example,DC=com"}},
		{"ldaps://dc1/OU=Power Users,DC=example,DC=com", URL{true, "dc1", "636", "OU=Power Users,DC=example,DC=com"}},
		{"ldaps://dc1/OU=F%C3%BChrung,DC=example,DC=com", URL{true, "dc1", "636", "OU=Führung,DC=example,DC=com"}},
		{"ldaps://dc1/DC=example,DC=com???", URL{true, "dc1", "636", "DC=example,DC=com"}},
		{"ldaps://[2001:db8::1]", URL{true, "2001:db8::1", "636", ""}},
		{"ldaps://[2001:db8::1]:1636/DC=example", URL{true, "2001:db8::1", "1636", "DC=example"}},
		{"[::1]:636", URL{true, "::1", "636", ""}},
		{"192.0.2.1", URL{true, "192.0.2.1", "636", ""}},
	} {
		got, err := ParseServer(c.raw)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.raw, got, err, c.want)
		}
	}
}

func TestParseServerRefuses(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"", "host is missing"},
		{"ldaps://", "host is missing"},
		{"ldaps:///DC=example", "host is missing"},
		{"http://dc1", "not spoken"},
		{"ldapi://%2Frun%2Fslapd", "not spoken"},
		{"ldaps://EXAMPLE\\svc:secret@dc1", "service_account"},
		{"ldaps://dc1:", "port is missing"},
		{"ldaps://dc1:0", "not a number"},
		{"ldaps://dc1:65536", "not a number"},
		{"ldaps://dc1:ldaps", "not a number"},
		{"ldaps://2001:db8::1", "in brackets"},
		{"ldaps://[2001:db8::1", "in brackets"},
		{"ldaps://[dc1]", "IPv6"},
		{"ldaps://[fe80::1%eth 0]", "IPv6"},
		{"[::%\x00]", "IPv6"},
		{"ldaps://[::1]636", "IPv6"},
		{"ldaps://[::1]:", "port is missing"},
		{"ldaps://dc 1", "cannot stand"},
		{"ldaps://dc1\n", "cannot stand"},
		{"ldaps://dc1/DC=example?sAMAccountName", "nothing may follow"},
		{"ldaps://dc1/DC=example??sub", "nothing may follow"},
		{"ldaps://dc1/DC=example???(objectClass=*)", "nothing may follow"},
		{"ldaps://dc1/DC=example????!bindname=cn=x", "nothing may follow"},
		{"ldaps://dc1/example", "distinguished name"},
		{"ldaps://dc1/%zz", "base DN"},
	} {
		if _, err := ParseServer(c.raw); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want it to say %q", c.raw, err, c.want)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{"dc1", "ldaps://dc1:636/DC=example,DC=com", "ldap://[::1]:389/OU=a%2Cb???", "ldaps://dc1/%C3%BC=x", "ldaps://[::ffff:1.2.3.4%25eth0]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseServer(raw)
		if err != nil {
			return
		}
		if u.Host == "" || u.Port == "" || strings.ContainsAny(u.Host, "/?#@\x00 ") {
			t.Fatalf("%q: got %+v", raw, u)
		}
		again, err := ParseServer("ldap" + map[bool]string{true: "s"}[u.TLS] + "://" + u.Addr())
		if err != nil || again.Host != u.Host || again.Port != u.Port || again.TLS != u.TLS {
			t.Fatalf("%q: got %+v, and from its parts %+v, %v", raw, u, again, err)
		}
		if u.BaseDN != "" && checkDN(u.BaseDN) != nil {
			t.Fatalf("%q: base DN %q", raw, u.BaseDN)
		}
	})
}
