package caddyldap

import (
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// TestKeyKnowsEveryWord: two sites of the short form share what a connection remembers only where all their words are the same.
func TestKeyKnowsEveryWord(t *testing.T) {
	s, off := startDemo(t, nil), false
	plain, _ := open(t, demoDirectory(s), "")
	config := demoDirectory(s)
	config.Group = &Group{Nested: &off, Filter: "(ou=web)"}
	strict, _ := open(t, config, "")
	if plain.Key() == strict.Key() {
		t.Errorf("two directories that count other groups share the key %s", plain.Key())
	}
}

// TestHiddenPrimaryGroup: a primary group whose entry nobody could read is one of a SID alone.
func TestHiddenPrimaryGroup(t *testing.T) {
	off := false
	config := demoDirectory(startDemo(t, nil))
	config.Group = &Group{Nested: &off}
	d, _ := open(t, config, "EXAMPLE")
	alice := mustLogIn(t, d, "alice")
	err := d.service.do(t.Context(), func(c *conn, root rootDSE) error {
		e, err := c.entry(t.Context(), alice.DN, d.reading.account...)
		if err != nil {
			return err
		}
		for _, a := range e.Attributes {
			if a.Name == "primaryGroupID" {
				a.Values = []string{"999999"} // a group that whoever searches may not read
			}
		}
		id, err := d.identify(t.Context(), c, root, person{entry: e, sid: alice.SID}, nameBind)
		if err != nil {
			return err
		}
		p, err := policy.Compile(policy.Rule{All: []policy.Rule{{ValidUser: true}, {None: []policy.Rule{{Group: []string{"Contractors"}}}}}})
		if err != nil {
			return err
		}
		if p.Decide(id, policy.Scope{First: "EXAMPLE"}).Allow {
			t.Error("none { group Contractors } lets in somebody whose primary group nobody could read")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOptionsArePartial: a value under an option is a value that nobody has read.
func TestOptionsArePartial(t *testing.T) {
	e := ldap.NewEntry("uid=x,dc=example,dc=org", map[string][]string{"employeeType;lang-en": {"contractor"}})
	if a := readable(e, "employeeType"); !a.Partial && len(a.Values) == 0 {
		t.Error("employeeType;lang-en: contractor counts as no employeeType at all, and none { attribute employeeType contractor } lets in")
	}
}

// otherDirectory is of the demo's people, on a server that is no Active Directory.
func otherDirectory(t *testing.T) *Directory {
	t.Helper()
	config := demoDirectory(startDemo(t, func(cfg *demodir.Config) {
		cfg.Quirks = demodir.Quirks{NoTokenGroups: true, NoInChain: true, NotActive: true}
	}))
	config.User = &User{Attribute: "sAMAccountName"}
	return config
}

// TestGroupFilterWithoutEntryDN: a server that cannot say which groups fit must not open a none.
func TestGroupFilterWithoutEntryDN(t *testing.T) {
	config := otherDirectory(t)
	d, _ := open(t, config, "EXAMPLE")
	without := mustLogIn(t, d, "carol")
	filtered := &Directory{
		Server: config.Server, ServiceAccount: config.ServiceAccount, User: config.User, Timeout: config.Timeout, TLS: config.TLS,
		Group: &Group{Filter: "(objectClass=*)"},
	}
	d, _ = open(t, filtered, "EXAMPLE")
	with := mustLogIn(t, d, "carol")
	if len(with.Groups()) != len(without.Groups()) && !with.HidesGroups() {
		t.Errorf("a filter that every group fits leaves %d of %d groups, and none is open", len(with.Groups()), len(without.Groups()))
	}
}

// TestPaceAfterReload: how long servers take is known after a reload too, or decoys answered at once.
func TestPaceAfterReload(t *testing.T) {
	s := startDemo(t, nil)
	r := &reloads{t: t}
	defer r.end()
	first := r.load(nil, s)
	await(t, "the first bind", func() bool { first.pace.mu.Lock(); defer first.pace.mu.Unlock(); return len(first.pace.took) > 0 })
	second := r.load(nil, s)
	time.Sleep(300 * time.Millisecond)
	second.pace.mu.Lock()
	defer second.pace.mu.Unlock()
	if len(second.pace.took) == 0 {
		t.Error("after a reload nobody knows how long a bind takes: decoys answer at once")
	}
}

// TestCacheByDN: outside Active Directory objectSid is an attribute like others, and two entries may have one.
func TestCacheByDN(t *testing.T) {
	config := otherDirectory(t)
	d, _ := open(t, config, "EXAMPLE")
	alice := mustLogIn(t, d, "alice")
	err := d.service.do(t.Context(), func(c *conn, root rootDSE) error {
		e, err := c.entry(t.Context(), mustLogIn(t, d, "carol").DN, d.reading.account...)
		if err != nil {
			return err
		}
		id, err := (&witness{directory: d, conn: c, root: root, person: person{entry: e, sid: alice.SID}}).resolve(t.Context(), nameBind)
		if err == nil && id.SAM != "carol" {
			t.Errorf("carol, whose objectSid is written as alice's, is served the identity of %s", id.SAM)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRefreshKeepsTheGroupFilter: what the filter leaves out does not come back by the well-known SIDs.
func TestRefreshKeepsTheGroupFilter(t *testing.T) {
	config := demoDirectory(startDemo(t, func(cfg *demodir.Config) { // stands in for the foreign security principal S-1-5-11
		cfg.Groups = append(cfg.Groups, demodir.Group{Name: "Intranet"})
		cfg.Users = append(cfg.Users, demodir.User{Name: "S-1-5-11", Password: "Secr3t-x", Groups: []string{"Intranet"},
			Attributes: map[string][]string{"objectSid": {"\x01\x01\x00\x00\x00\x00\x00\x05\x0b\x00\x00\x00"}}})
	}))
	config.Group = &Group{Filter: "(!(cn=Intranet))"}
	d, clock := movable(t, config)
	id := mustLogIn(t, d, "carol")
	*clock = 6 * time.Second
	fresh, err := d.Refresh(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := groupNames(id)[`EXAMPLE\Intranet`], groupNames(fresh)[`EXAMPLE\Intranet`]; a || b {
		t.Errorf("Intranet, which the filter leaves out, counts: %v at the log-in, %v after a refresh", a, b)
	}
}

// movable opens a directory whose clock the test moves.
func movable(t *testing.T, config *Directory) (*Directory, *time.Duration) {
	t.Helper()
	d, _ := open(t, config, "EXAMPLE")
	began, moved := time.Now(), new(time.Duration)
	d.now = func() time.Time { return began.Add(*moved) }
	d.cache.now = d.now
	return d, moved
}

// TestNestedOffSeesHiddenGroups: the log-in reads memberOf, by which hidden groups are noticed.
func TestNestedOffSeesHiddenGroups(t *testing.T) {
	off := false
	config := demoDirectory(startDemo(t, func(cfg *demodir.Config) {
		cfg.Users = append(cfg.Users, demodir.User{Name: "mallory", Password: "Secr3t-mallory",
			Attributes: map[string][]string{"memberOf": {"CN=Contractors,OU=Hidden,DC=example,DC=test"}}})
	}))
	config.Group = &Group{Nested: &off}
	d, clock := movable(t, config)
	id := mustLogIn(t, d, "mallory")
	*clock = 6 * time.Second
	fresh, err := d.Refresh(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !id.HidesGroups() {
		t.Errorf("in a group that nobody could read: noticed %v at the log-in, %v at a refresh", id.HidesGroups(), fresh.HidesGroups())
	}
}

// TestGroupWithHiddenMembers: a group may be read while its members may not.
func TestGroupWithHiddenMembers(t *testing.T) {
	s := startDemo(t, nil)
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	err := d.service.do(t.Context(), func(c *conn, _ rootDSE) error {
		p := person{entry: ldap.NewEntry("CN=x,"+s.BaseDN(), map[string][]string{"memberOf": {"CN=HR,OU=Groups," + s.BaseDN()}})}
		groups, err := unseen(t.Context(), c, p, nil)
		if err == nil && len(groups) == 0 {
			t.Error("memberOf names HR, a security group that no search by member shows, and none { group HR } lets in")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
