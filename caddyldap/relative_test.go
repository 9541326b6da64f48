package caddyldap

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// namesakes is a directory in which two people have one name, under a base each.
func namesakes(t *testing.T) *demodir.Server {
	t.Helper()
	return startDemo(t, func(c *demodir.Config) {
		c.NotActive, c.NoTokenGroups, c.NoInChain = true, true, true
		c.Users = append(c.Users,
			demodir.User{Name: "first", CN: "twin", OU: "One", Password: "Secr3t-first"},
			demodir.User{Name: "second", CN: "twin", OU: "Two", Password: "Secr3t-second"},
			demodir.User{Name: "lone", CN: "lone", OU: "Two", Password: "Secr3t-lone"})
	})
}

// TestRelativeBindsOnce: threats F-11. Of several accounts of one name the first is meant, and
// no other one hears of the password: whoever has the first could end its count by his own
// right password, and go on guessing at the second until that is locked.
func TestRelativeBindsOnce(t *testing.T) {
	s := namesakes(t)
	config := unixDirectory(s, "OU=One,"+s.BaseDN(), "OU=Two,"+s.BaseDN())
	config.BindAs, config.User = &BindAs{Form: bindRelative}, &User{Attribute: "sAMAccountName"}
	d, _ := open(t, config, "EXAMPLE")
	for _, password := range []string{"wrong", "Secr3t-second"} {
		if _, err := logIn(t, d, "cn=twin", password); identity.KindOf(err) != identity.KindBadCredentials {
			t.Errorf("%s: got %v", password, err)
		}
	}
	if first, second := s.BadPasswords("first"), s.BadPasswords("second"); first != 2 || second != 0 {
		t.Errorf("got %d and %d wrong passwords, want 2 and none", first, second)
	}
	for typed, want := range map[string]string{"cn=twin": "first", "cn=lone": "lone"} {
		id, err := logIn(t, d, typed, "Secr3t-"+want)
		if err != nil || id.SAM != want {
			t.Fatalf("%s: got %v, %v, want %s", typed, id, err, want)
		}
		if got := d.FindAccount(t.Context(), identity.ParseName(typed)).Account; got != id.AccountKey() {
			t.Errorf("%s: counted as %s, want %s", typed, got, id.AccountKey())
		}
	}
	if _, err := logIn(t, d, "cn=nobody", "wrong"); identity.KindOf(err) != identity.KindBadCredentials {
		t.Errorf("nobody: got %v", err)
	}
}

// TestBaseTwice: a base that is written twice is one, or a wrong password would count twice.
func TestBaseTwice(t *testing.T) {
	s := namesakes(t)
	config := unixDirectory(s, "OU=Two,"+s.BaseDN(), "ou=two, "+s.BaseDN())
	config.BindAs, config.User, config.ServiceAccount = &BindAs{Form: bindRelative}, &User{Attribute: "sAMAccountName"}, nil
	d, _ := open(t, config, "EXAMPLE")
	if _, err := logIn(t, d, "cn=lone", "wrong"); identity.KindOf(err) != identity.KindBadCredentials {
		t.Errorf("got %v", err)
	}
	if got := s.BadPasswords("lone"); got != 1 {
		t.Errorf("got %d wrong passwords, want 1", got)
	}
}

// TestWarnOfRelative: without a service account nobody sees which of several is meant.
func TestWarnOfRelative(t *testing.T) {
	for name, c := range map[string]struct {
		bases   []string
		account bool
		want    int
	}{
		"several, alone": {[]string{"ou=a,dc=example,dc=test", "ou=b,dc=example,dc=test"}, false, 1},
		"several":        {[]string{"ou=a,dc=example,dc=test", "ou=b,dc=example,dc=test"}, true, 0},
		"one":            {[]string{"ou=a,dc=example,dc=test"}, false, 0},
	} {
		config := &Directory{Server: []Server{{URL: "ldaps://127.0.0.1:1636"}}, BindAs: &BindAs{Form: bindRelative}, BaseDN: c.bases}
		if c.account {
			config.ServiceAccount = &ServiceAccount{Name: "cn=web,dc=example,dc=test", Secret: "Secr3t"}
		}
		_, logs := open(t, config, "EXAMPLE")
		if got := logs.FilterMessageSnippet("bind_as relative tries a password at several accounts").Len(); got != c.want {
			t.Errorf("%s: got %d warnings, want %d", name, got, c.want)
		}
	}
}
