package demodir

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Whose name a simple bind may use, as seen on a controller.
func TestBindNames(t *testing.T) {
	s := start(t)
	for name, want := range map[string]string{
		"CN=Bob Baker,OU=Staff,DC=example,DC=test":           `u:EXAMPLE\bob`,
		"cn=bob baker, ou=staff, dc=EXAMPLE, dc=test":        `u:EXAMPLE\bob`,
		`CN=Fox\, Frank (Sales),OU=Staff,DC=example,DC=test`: `u:EXAMPLE\frank`,
		"bob.baker@example.test":                             `u:EXAMPLE\bob`,
		"bob@example.test":                                   `u:EXAMPLE\bob`,
		"bob@EXAMPLE":                                        `u:EXAMPLE\bob`,
		`EXAMPLE\bob`:                                        `u:EXAMPLE\bob`,
		`example\BOB`:                                        `u:EXAMPLE\bob`,
		`EXAMPLE\ZOË`:                                        `u:EXAMPLE\zoë`,
		"bob":                                                "",
		`example.test\bob`:                                   "",
		"EXAMPLE/bob":                                        "",
		`OTHER\bob`:                                          "",
		"bob@example.org":                                    "",
		`EXAMPLE\bob.baker@example.test`:                     "",
		"CN=Nobody,OU=Staff,DC=example,DC=test":              "",
		"OU=Staff,DC=example,DC=test":                        "",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			password := "Secr3t-bob"
			for _, u := range s.Users() {
				if want == `u:EXAMPLE\`+u.Name {
					password = u.Password
				}
			}
			err := c.Bind(name, password)
			if code, text := answer(err); want == "" && (code != 49 || !strings.Contains(text, "data 52e, v1db1")) {
				t.Errorf("got %d %s, want 49 52e", code, text)
			}
			if got := whoami(t, c); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// refusals names everybody whom some kind of bind must refuse, and with what.
var refusals = []struct{ user, password, data string }{
	{"alice", "wrong", "52e"},
	{"nobody", "Secr3t-nobody", "52e"},
	{"Guest", "x", "52e"},
	{"disabled", "Secr3t-disabled", "533"},
	{"disabled", "wrong", "52e"},
	{"locked", "Secr3t-locked", "775"},
	{"locked", "wrong", "775"},
	{"expired", "Secr3t-expired", "701"},
	{"oldpass", "Secr3t-oldpass", "532"},
	{"mustchange", "Secr3t-mustchange", "773"},
	{"mustchange", "wrong", "52e"},
	{"hours", "Secr3t-hours", "530"},
	{"desk", "Secr3t-desk", "531"},
	{"protected", "Secr3t-protected", "52f"},
}

// more adds people for the failures that the demo does without.
func more(c *Config) {
	c.Users = append(c.Users, failing("hours", LogonHours, ""), failing("desk", Workstation, ""), failing("protected", Restricted, ""))
}

func acceptError(data string) string {
	return fmt.Sprintf("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data %s, v1db1", data)
}

func TestBindFailures(t *testing.T) {
	s := start(t, more)
	for _, r := range refusals {
		t.Run(r.user+" "+r.data, func(t *testing.T) {
			code, text := answer(dial(t, s).Bind(`EXAMPLE\`+r.user, r.password))
			if want := acceptError(r.data); code != 49 || text != want {
				t.Errorf("got %d %s, want 49 %s", code, text, want)
			}
		})
	}
}

func TestBindEverybody(t *testing.T) {
	s := start(t)
	for _, u := range s.Users() {
		if u.Magic != None {
			continue
		}
		if err := dial(t, s).Bind(u.Name+"@example.test", u.Password); err != nil {
			t.Errorf("%s: %v", u.Name, err)
		}
	}
}

func TestBindDeadAndSlow(t *testing.T) {
	s := start(t)
	if code, text := answer(dial(t, s).Bind(`EXAMPLE\dead`, "Secr3t-dead")); code != -1 {
		t.Errorf("got %d %s, want no answer", code, text)
	}
	began := time.Now()
	if err := dial(t, s).Bind(`EXAMPLE\slow`, "Secr3t-slow"); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("took %v, want 50ms", took)
	}
}

// The trap of RFC 4513 5.1.2, and what a failed bind leaves behind.
func TestBindChangesIdentity(t *testing.T) {
	c := bound(t, start(t))
	if err := c.Bind(`EXAMPLE\bob`, "wrong"); err == nil {
		t.Fatal("a wrong password is right")
	}
	if got, want := whoami(t, c), `u:EXAMPLE\alice`; got != want {
		t.Errorf("after a failed bind got %q, want %q", got, want)
	}
	if err := c.UnauthenticatedBind(`EXAMPLE\bob`); err != nil {
		t.Errorf("empty password: %v", err)
	}
	if got := whoami(t, c); got != "" {
		t.Errorf("after an empty password got %q, want nobody", got)
	}
}

func TestBindWithoutTLS(t *testing.T) {
	s := start(t)
	for _, password := range []string{"Secr3t-alice", "wrong"} {
		code, text := answer(dialURL(t, s.LDAP()).Bind(`EXAMPLE\alice`, password))
		if code != 8 || !strings.HasPrefix(text, "00002028: LdapErr: ") {
			t.Errorf("got %d %s, want 8", code, text)
		}
	}
	if err := dialURL(t, s.LDAP()).UnauthenticatedBind(""); err != nil {
		t.Errorf("anonymous: %v", err)
	}
	open := start(t, func(c *Config) { c.AllowPlain = true })
	if err := dialURL(t, open.LDAP()).Bind(`EXAMPLE\alice`, "Secr3t-alice"); err != nil {
		t.Errorf("AllowPlain: %v", err)
	}
}

func TestStartTLS(t *testing.T) {
	s := start(t)
	c := dialURL(t, s.LDAP())
	if err := c.StartTLS(trust(s)); err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(`EXAMPLE\alice`, "Secr3t-alice"); err != nil {
		t.Fatal(err)
	}
	if got, want := whoami(t, c), `u:EXAMPLE\alice`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if code, _ := answer(dial(t, s).StartTLS(trust(s))); code == 0 {
		t.Error("TLS inside TLS")
	}
}

func TestLockout(t *testing.T) {
	s := start(t, func(c *Config) { c.LockoutThreshold = 2 })
	c := dial(t, s)
	for i, step := range []struct {
		password, data string
		count          int
	}{
		{"wrong", "52e", 1},
		{"Secr3t-alice", "", 0},
		{"wrong", "52e", 1},
		{"wrong", "52e", 2},
		{"Secr3t-alice", "775", 2},
	} {
		_, text := answer(c.Bind(`EXAMPLE\alice`, step.password))
		if step.data != "" && text != acceptError(step.data) || step.data == "" && text != "" {
			t.Errorf("step %d: got %q, want %q", i, text, step.data)
		}
		if got := s.BadPasswords("ALICE"); got != step.count {
			t.Errorf("step %d: got count %d, want %d", i, got, step.count)
		}
	}
}

func TestQuirks(t *testing.T) {
	alice := func(c *ldap.Conn) error { return c.Bind(`EXAMPLE\alice`, "Secr3t-alice") }
	sicily := func(c *ldap.Conn) error { return c.NTLMBind("EXAMPLE", "alice", "Secr3t-alice") }
	nobody := func(c *ldap.Conn) error { return c.Bind(`EXAMPLE\nobody`, "x") }
	rootDSE := func(c *ldap.Conn) error { _, err := read(c, "", "(objectClass=*)"); return err }
	for name, tc := range map[string]struct {
		quirks Quirks
		act    func(*ldap.Conn) error
		code   int
		text   string
		who    string
	}{
		"busy bind":            {Quirks{Busy: true}, alice, 51, "00002024", ""},
		"busy search":          {Quirks{Busy: true}, rootDSE, 51, "00002024", ""},
		"bindings, sicily":     {Quirks{BadBindings: true}, sicily, 49, "80090346: LdapErr: ", ""},
		"bindings, simple":     {Quirks{BadBindings: true}, alice, 0, "", `u:EXAMPLE\alice`},
		"guest, simple":        {Quirks{GuestMap: true}, nobody, 0, "", `u:EXAMPLE\Guest`},
		"signing, simple":      {Quirks{SigningRequired: true}, alice, 0, "", `u:EXAMPLE\alice`},
		"guest, known account": {Quirks{GuestMap: true}, alice, 0, "", `u:EXAMPLE\alice`},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, start(t, func(c *Config) { c.Quirks = tc.quirks }))
			code, text := answer(tc.act(c))
			if code != tc.code || !strings.HasPrefix(text, tc.text) {
				t.Errorf("got %d %s, want %d %s", code, text, tc.code, tc.text)
			}
			if got := whoami(t, c); got != tc.who {
				t.Errorf("got %q, want %q", got, tc.who)
			}
		})
	}
}
