package caddyldap

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// unixPeople is a directory that is no Active Directory, where log-in names are
// uids. Each password is Secr3t- and the CN.
func unixPeople(t *testing.T, uids map[string][]string) *demodir.Server {
	t.Helper()
	return startDemo(t, func(c *demodir.Config) {
		c.NotActive, c.NoTokenGroups, c.NoInChain = true, true, true
		for cn, values := range uids {
			c.Users = append(c.Users, demodir.User{Name: cn, Password: "Secr3t-" + cn, Attributes: map[string][]string{"uid": values}})
		}
	})
}

func unixDirectory(s *demodir.Server, bases ...string) *Directory {
	d := demoDirectory(s)
	overUnix(d, s, bases...)
	return d
}

// overUnix has a directory search names by uid under bases.
func overUnix(d *Directory, s *demodir.Server, bases ...string) {
	d.BindAs, d.User, d.BaseDN = &BindAs{Form: bindSearch}, &User{Attribute: "uid"}, bases
	d.DNSDomain = "example.test"
	d.ServiceAccount.Name = "CN=Web Service,OU=Staff," + s.BaseDN()
}

// TestTypedNames: outside Active Directory a log-in name may hold a backslash or
// an at sign. What they part off is a domain where it is the directory's own.
func TestTypedNames(t *testing.T) {
	s := unixPeople(t, map[string][]string{
		"plain": {"anna"}, "slash": {`LAB\anna`}, "at": {"anna@partner.example"}, "own": {"paul@example.test"},
		"own slash": {`EXAMPLE\anna`}, "star": {`LAB\*`}, "twin one": {`LAB\twin`}, "twin two": {`lab\TWIN`},
	})
	for typed, want := range map[string]string{
		"anna": "plain", `EXAMPLE\anna`: "plain", `example.test\anna`: "plain", "anna@example.test": "plain", "anna@corp.example": "plain",
		`LAB\anna`: "slash", `lab\ANNA`: "slash", "anna@partner.example": "at", "ANNA@Partner.Example": "at",
		"paul@example.test": "own", `EXAMPLE\paul@example.test`: "own", `LAB\*`: "star",
		`LAB\twin`: "ambiguous", `LAB\paul`: "identity_mismatch", `LAB\ann*`: "identity_mismatch",
		"anna@elsewhere.example": "bad_credentials", "nobody@example.test": "bad_credentials", `EXAMPLE\nobody`: "bad_credentials",
	} {
		for _, configured := range []bool{true, false} {
			if configured && strings.HasPrefix(typed, "anna@e") || configured && typed == "anna@corp.example" {
				continue // a configured attribute holds whole names
			}
			config := unixDirectory(s)
			config.User = &User{Suffix: "@corp.example"}
			config.BindAs = nil
			if configured {
				config.User = &User{Attribute: "uid"}
			}
			d, _ := open(t, config, "EXAMPLE")
			targets, err := d.bindTargets(t.Context(), identity.ParseName(typed))
			got := identity.KindOf(err).String()
			if err == nil {
				got, _, _ = strings.Cut(strings.TrimPrefix(targets[0].name, "CN="), ",")
			}
			if got != want {
				t.Errorf("%s, configured %v: got %s, want %s", typed, configured, got, want)
			}
		}
	}
}

// TestSpellingsOfOneAccount: who types a name in another way is nobody else.
func TestSpellingsOfOneAccount(t *testing.T) {
	d, _ := open(t, unixDirectory(unixPeople(t, map[string][]string{"slash": {`LAB\anna`}})), "EXAMPLE")
	for _, typed := range []string{`LAB\anna`, `lab\ANNA`} {
		id, err := logIn(t, d, typed, "Secr3t-slash")
		if err != nil || id.SAM != `LAB\anna` {
			t.Errorf("%s: got %v, %v", typed, id, err)
		}
	}
}

// TestOneNameForTwo: a bind by DN reaches each of two accounts that share their
// log-in name, and neither gets in.
func TestOneNameForTwo(t *testing.T) {
	s := unixPeople(t, map[string][]string{"one": {"twin"}, "two": {"TWIN"}, "three": {"single"}})
	config := unixDirectory(s)
	config.BindAs = &BindAs{Form: bindAbsolute}
	d, _ := open(t, config, "EXAMPLE")
	for cn, want := range map[string]identity.Kind{"one": identity.KindAmbiguous, "two": identity.KindAmbiguous, "three": 0} {
		id, err := logIn(t, d, "CN="+cn+",OU=Staff,"+s.BaseDN(), "Secr3t-"+cn)
		if (want == 0) != (err == nil) || err != nil && identity.KindOf(err) != want {
			t.Errorf("%s: got %v, %v, want %v", cn, id, err, want)
		}
	}
}

// TestBaseThatWasThere: a base DN that a server does not show any more may hold the
// very account. Whoever has its name under the next base is not let in for it,
// after a reload either.
func TestBaseThatWasThere(t *testing.T) {
	people := func(c *demodir.Config) {
		c.NotActive, c.NoTokenGroups, c.NoInChain = true, true, true
		c.Users = append(c.Users, demodir.User{Name: "plain", Password: "Secr3t-plain", Attributes: map[string][]string{"uid": {"anna"}}})
	}
	first := startDemo(t, func(c *demodir.Config) {
		people(c)
		c.Users = append(c.Users, demodir.User{Name: "old", Password: "Secr3t-old", OU: "Old", Attributes: map[string][]string{"uid": {"zed"}}})
	})
	bases := func(d *Directory) { overUnix(d, first, "OU=Old,"+first.BaseDN(), "OU=Staff,"+first.BaseDN()) }
	r := &reloads{t: t}
	defer r.end()
	d := r.load(bases, first)
	if _, err := logIn(t, d, "anna", "Secr3t-plain"); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	startDemo(t, func(c *demodir.Config) {
		people(c)
		c.Addr = strings.TrimPrefix(first.LDAPS(), "ldaps://")
	})
	for _, when := range []string{"before", "after"} {
		_, err := logIn(t, d, "anna", "Secr3t-plain")
		for began := time.Now(); identity.KindOf(err) == identity.KindUnavailable && time.Since(began) < overall; {
			time.Sleep(50 * time.Millisecond) // the self-test was on its way to the server that ended
			_, err = logIn(t, d, "anna", "Secr3t-plain")
		}
		if identity.KindOf(err) != identity.KindProtocol {
			t.Errorf("%s the reload: got %v, want %v", when, err, identity.KindProtocol)
		}
		d = r.load(bases, first)
	}
}

// TestMissingBase: a base DN that does not exist holds nobody, and does not end
// the search. With nothing else to search it is the configuration that is wrong.
func TestMissingBase(t *testing.T) {
	s := unixPeople(t, map[string][]string{"plain": {"anna"}})
	there, gone, lost := "OU=Staff,"+s.BaseDN(), "OU=Gone,"+s.BaseDN(), "OU=Lost,"+s.BaseDN()
	for name, c := range map[string]struct {
		bases  []string
		typed  string
		want   identity.Kind
		warned bool
	}{
		"first, found":    {[]string{gone, there}, "anna", 0, false},
		"first, nobody":   {[]string{gone, there}, "nobody", identity.KindBadCredentials, true},
		"last, found":     {[]string{there, gone}, "anna", 0, false},
		"last, nobody":    {[]string{there, gone}, "nobody", identity.KindBadCredentials, true},
		"all there":       {[]string{there}, "nobody", identity.KindBadCredentials, false},
		"each, found":     {[]string{gone, lost}, "anna", identity.KindProtocol, false},
		"the only, found": {[]string{gone}, "anna", identity.KindProtocol, false},
	} {
		d, logs := open(t, unixDirectory(s, c.bases...), "EXAMPLE")
		for range 2 {
			_, err := logIn(t, d, c.typed, "Secr3t-plain")
			if (c.want == 0) != (err == nil) || err != nil && identity.KindOf(err) != c.want {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
			if c.want == identity.KindProtocol && !allIn(err.Error(), c.bases) {
				t.Errorf("%s: %v does not name the bases", name, err)
			}
		}
		lines := logs.FilterLevelExact(zap.WarnLevel).FilterField(zap.Strings("base_dn", []string{gone})).All()
		if (len(lines) > 0) != c.warned || len(lines) > 1 {
			t.Errorf("%s: got %d warnings of the base, want %v", name, len(lines), c.warned)
		}
	}
}

func allIn(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
