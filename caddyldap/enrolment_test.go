package caddyldap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

const (
	factorAttribute = "unixUserPassword"
	factorURI       = "otpauth://totp/EXAMPLE:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
)

// withFactors gives alice one device and bob two.
func withFactors(cfg *demodir.Config) {
	for i, u := range cfg.Users {
		switch u.Name {
		case "alice":
			cfg.Users[i].Attributes = map[string][]string{factorAttribute: {factorURI}}
		case "bob":
			cfg.Users[i].Attributes = map[string][]string{factorAttribute: {factorURI + "&period=60", factorURI}}
		}
	}
}

// TestEnrolmentOf: whatever a name is typed like, the secrets are those of the account
// that the password is tried at.
func TestEnrolmentOf(t *testing.T) {
	s := startDemo(t, withFactors)
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	keys := make(map[string]string)
	for _, user := range []string{"alice", "bob", "carol"} {
		id, err := logIn(t, d, user, "Secr3t-"+user)
		if err != nil {
			t.Fatal(err)
		}
		keys[user] = id.AccountKey()
	}
	for name, want := range map[string]struct {
		user string
		n    int
	}{
		"alice": {"alice", 1}, "ALICE": {"alice", 1}, `EXAMPLE\alice`: {"alice", 1}, `example.test\alice`: {"alice", 1},
		"alice@example.test": {"alice", 1}, "alice@EXAMPLE": {"alice", 1}, "bob.baker@example.test": {"bob", 2}, "bob@example.test": {"bob", 2},
		"carol": {"carol", 0}, "nobody": {"", 0}, `OTHER\alice`: {"", 0}, "alice@other.test": {"", 0}, "*": {"", 0}, "Alice Archer": {"", 0},
	} {
		got, err := d.EnrolmentOf(t.Context(), identity.ParseName(name), factorAttribute)
		if err != nil || got.Account != keys[want.user] || len(got.Secrets) != want.n {
			t.Errorf("%s: got %v, %v, want %d secrets of %q", name, got, err, want.n, keys[want.user])
		}
	}
	if got, err := d.EnrolmentOf(t.Context(), identity.ParseName("alice"), factorAttribute); err != nil || got.Secrets[0].Reveal() != factorURI || strings.Contains(fmt.Sprintf("%+v", got), "GEZD") {
		t.Errorf("got %v, %v, want the URI in a form that does not print", got, err)
	}
}

// TestEnrolmentByDN: names that lead to a DN without a search.
func TestEnrolmentByDN(t *testing.T) {
	s := startDemo(t, withFactors)
	for form, name := range map[string]string{
		bindAbsolute: "CN=Alice Archer,OU=Staff,DC=example,DC=test", bindRelative: "CN=Alice Archer", bindTemplate: "Alice Archer", bindSearch: "alice",
	} {
		config := demoDirectory(s)
		config.BindAs, config.BaseDN = &BindAs{Form: form}, []string{"OU=Staff,DC=example,DC=test"}
		if form == bindTemplate {
			config.BindAs.Template = "CN={user},OU=Staff,DC=example,DC=test"
		}
		d, _ := open(t, config, "EXAMPLE")
		for typed, want := range map[string]int{name: 1, "CN=No Body,OU=Staff,DC=example,DC=test": 0, "nobody": 0} {
			if got, err := d.EnrolmentOf(t.Context(), identity.Name{User: typed}, factorAttribute); err != nil || len(got.Secrets) != want {
				t.Errorf("%s, %s: got %v, %v, want %d secrets", form, typed, got, err, want)
			}
		}
	}
}

// TestEnrolment: what is removed or replaced counts at once, and an identity holds
// nothing of it.
func TestEnrolment(t *testing.T) {
	s := startDemo(t, withFactors)
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	if err := d.Conceal(factorAttribute); err != nil {
		t.Fatal(err)
	}
	id, err := logIn(t, d, "alice", "Secr3t-alice")
	if err != nil {
		t.Fatal(err)
	}
	if id.Details != nil {
		t.Errorf("got details %+v, want none", id.Details)
	}
	got, err := d.Enrolment(t.Context(), id, factorAttribute)
	if err != nil || got.Account != id.AccountKey() || len(got.Secrets) != 1 || got.Secrets[0].Reveal() != factorURI {
		t.Errorf("got %v, %v, want alice's", got, err)
	}
	gone := identity.New(identity.Account{SID: mustSID(t, "S-1-5-21-1-2-3-4"), DN: "CN=x"}, strings.ToLower)
	if _, err := d.Enrolment(t.Context(), gone, factorAttribute); identity.KindOf(err) != identity.KindNotFound {
		t.Errorf("somebody who is gone: got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "nobody"} {
		if _, err := d.EnrolmentOf(t.Context(), identity.ParseName(name), factorAttribute); err == nil || identity.KindOf(err).AboutAccount() {
			t.Errorf("%s, while no server answers: got %v, want a technical failure", name, err)
		}
	}
}

// TestConceal: an attribute that holds secrets is shown by no other word, whichever
// stands first.
func TestConceal(t *testing.T) {
	s := startDemo(t, nil)
	for name, test := range map[string]struct {
		change    func(*Directory)
		attribute string
		want      string
	}{
		"well":               {func(*Directory) {}, factorAttribute, ""},
		"no attribute":       {func(*Directory) {}, "a b", "not the name"},
		"nobody to read it":  {func(d *Directory) { d.ServiceAccount = nil }, factorAttribute, "no service_account"},
		"a name of accounts": {func(*Directory) {}, "Mail", "of every account"},
		"attributes":         {func(d *Directory) { d.Attributes = []string{"unixuserpassword"} }, factorAttribute, "in the line attributes"},
		"map": {func(d *Directory) {
			d.Map = &Map{Lines: []MapLine{{Attribute: factorAttribute, Expression: "x", Role: []string{"r"}}}}
		}, factorAttribute, "in the block map"},
		"user": {func(d *Directory) { d.User = &User{Attribute: factorAttribute} }, factorAttribute, "the block user"},
	} {
		t.Run(name, func(t *testing.T) {
			config := demoDirectory(s)
			test.change(config)
			d, _ := open(t, config, "EXAMPLE")
			err := d.Conceal(test.attribute)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for want, w := range map[string]Wants{
		"require attribute": {Attributes: []string{"department", "UnixUserPassword"}},
		"forwarded header":  {Forwarded: []string{"UnixUserPassword"}},
	} {
		d, _ := open(t, demoDirectory(s), "EXAMPLE")
		if err := d.Conceal(factorAttribute); err != nil {
			t.Fatal(err)
		}
		if err := d.want(w); err == nil || !strings.Contains(err.Error(), "secrets of second factors") || !strings.Contains(err.Error(), want) {
			t.Errorf("named after totp: got %v, want an error about a %s", err, want)
		}
		d, _ = open(t, demoDirectory(s), "EXAMPLE")
		if err := d.want(w); err != nil {
			t.Fatal(err)
		}
		if err := d.Conceal(factorAttribute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("named before totp: got %v, want an error about a %s", err, want)
		}
	}
}
