package caddyldap

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// awaited asks until the policy of the account is known, which nobody waits for.
func awaited(t *testing.T, d *Directory, typed string, want int) identity.Sought {
	t.Helper()
	var s identity.Sought
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s = d.FindAccount(t.Context(), identity.ParseName(typed)); s.Threshold == want {
			return s
		}
	}
	t.Errorf("%q: got a threshold of %d, want %d", typed, s.Threshold, want)
	return s
}

// clockOf gives a directory that nobody uses yet a clock that goes when it is told to.
func clockOf(d *Directory) (pass func(time.Duration)) {
	var nanoseconds atomic.Int64
	nanoseconds.Store(time.Now().UnixNano())
	d.now = func() time.Time { return time.Unix(0, nanoseconds.Load()) }
	return func(while time.Duration) { nanoseconds.Add(int64(while)) }
}

// spellingsOf are names that lead to bob of the demo, who has a UPN of his own.
var spellingsOf = []string{
	"bob", "BOB", " bob ", `EXAMPLE\bob`, `example.test\bob`, `OTHER\bob`, "bob@example.test", "bob@EXAMPLE", "bob.baker@example.test",
	"BOB.BAKER@EXAMPLE.TEST", `OTHER\bob.baker@example.test`, "CN=Bob Baker,OU=Staff,DC=example,DC=test", "cn=bob  baker, ou=staff,dc=example,dc=test",
	"example.test/Staff/Bob Baker", "bob@elsewhere.example",
}

// TestFindAccount: threats D-03, F-10. Whatever the spelling, the account is the one that
// Resolve gives after the log-in, whoever says which one it is.
func TestFindAccount(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.LockoutThreshold = 10 })
	asked, _ := open(t, demoDirectory(s), "EXAMPLE")
	lone := demoDirectory(s)
	lone.ServiceAccount = nil
	taught, _ := open(t, lone, "EXAMPLE")
	for d, threshold := range map[*Directory]int{asked: 10, taught: 6} { // see shared
		id, err := logIn(t, d, "bob", "Secr3t-bob")
		if err != nil {
			t.Fatal(err)
		}
		for _, typed := range spellingsOf {
			if got := awaited(t, d, typed, threshold); got.Account != id.AccountKey() || got.Observation != 10*time.Minute {
				t.Errorf("service account %v, %q: got %v, want %s", d.service != nil, typed, got, id.AccountKey())
			}
		}
		for _, other := range []string{"alice", "bobby", "bоb" /* Cyrillic */, "bob.baker@elsewhere.example"} {
			if got := d.FindAccount(t.Context(), identity.ParseName(other)); got.Account == id.AccountKey() {
				t.Errorf("service account %v, %q: got bob's account", d.service != nil, other)
			}
		}
	}
}

// TestFindAccountOutside: an account that base_dn or filter leave out is locked by the
// domain all the same.
func TestFindAccountOutside(t *testing.T) {
	s := startDemo(t, nil)
	d := demoDirectory(s)
	d.BaseDN, d.User = []string{"OU=Groups,DC=example,DC=test"}, &User{Filter: "(description=nobody)"}
	d, _ = open(t, d, "EXAMPLE")
	one, two := d.FindAccount(t.Context(), identity.ParseName("alice")), d.FindAccount(t.Context(), identity.ParseName(`x\ALICE@example.test`))
	if one.Account != two.Account || one.Account[:4] != "S-1-" {
		t.Errorf("got %v and %v, want one SID", one, two)
	}
}

// TestFindAccountUntaught: of a name that nobody knows one form stands for all.
func TestFindAccountUntaught(t *testing.T) {
	s := startDemo(t, nil)
	d := demoDirectory(s)
	d.ServiceAccount = nil
	d, _ = open(t, d, "EXAMPLE")
	for _, typed := range []string{
		"alice", "ALICE", "älice", "ＡＬＩＣＥ", "alıce", "ali\u0301ce", "al ice", "alice@example.test", "alice＠example.test", `EXAMPLE\alice`,
		"EXAMPLE＼alice", "alice$", "ali\u00adce", "ali\u200bce", "alice@EXAMPLE", "a\u0378lice", "a\ufffdlice",
	} {
		if got := d.FindAccount(t.Context(), identity.ParseName(typed)).Account; got != "name:alice" {
			t.Errorf("%q: got %q, want name:alice", typed, got)
		}
	}
	for typed, want := range map[string]string{
		"": "name:?", "a\x00b": "name:?", "\u212aarl": "name:karl", "Straße": "name:strasse", "STRAẞE": "name:strasse", "аlice": "name:аlice",
		"@example.test": "name:@example.test", "$": "name:$", `\`: "name:?", "NIKOΣ": "name:nikoσ", "νικος": "name:νικοσ", "S-1-5-21-1-2-3-500": "name:s-1-5-21-1-2-3-500",
	} {
		if got := d.FindAccount(t.Context(), identity.ParseName(typed)).Account; got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// TestTwoNamesOfOneAccount: threats F-11. Where nobody can tell that two names are one
// account's, what strangers may try by both together does not lock it, and whoever is
// nobody has as many tries.
func TestTwoNamesOfOneAccount(t *testing.T) {
	for threshold := 3; threshold <= 12; threshold++ {
		s := startDemo(t, func(c *demodir.Config) { c.LockoutThreshold = threshold })
		lone, refused := demoDirectory(s), demoDirectory(s)
		lone.ServiceAccount, refused.ServiceAccount.Secret = nil, "changed by somebody"
		alone, _ := open(t, lone, "EXAMPLE")
		broken, _ := open(t, refused, "EXAMPLE")
		if _, err := logIn(t, alone, "alice", "Secr3t-alice"); err != nil {
			t.Fatal(err)
		}
		for d, name := range map[*Directory]string{alone: "no service account", broken: "a service account that is refused"} {
			strangers := func(typed string) (identity.Sought, int) {
				found := d.FindAccount(t.Context(), identity.ParseName(typed))
				if found.Threshold == 0 { // throttle's attempts are the only limit
					return found, threshold
				}
				return found, max(found.Threshold-2, 1)
			}
			sam, one := strangers("bob")
			upn, two := strangers("bob.baker@example.test")
			if sam.Account == upn.Account || one+two >= threshold {
				t.Errorf("%s, %d lock the account: strangers have %d tries by one name and %d by the other (%v, %v)", name, threshold, one, two, sam, upn)
			}
			for _, other := range []string{"alice", "nobody"} {
				if _, got := strangers(other); got != one {
					t.Errorf("%s, threshold %d: %d tries for %s and %d for bob", name, threshold, got, other, one)
				}
			}
		}
	}
}

// TestFindAccountAsksOnce: many who ask at once are one question, and an answer holds
// for a while, nobody's as long as somebody's (threats F-09).
func TestFindAccountAsksOnce(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.AllowPlain = true })
	tap := tapOf(t, s.LDAP())
	d := demoDirectory(s)
	d.Server, d.InsecurePlaintext = []Server{{URL: "ldap://" + tap.Addr().String()}}, true
	d, _ = open(t, d, "EXAMPLE")
	pass := clockOf(d)
	awaited(t, d, "carol", 0) // the domain is known
	for _, user := range []string{"alice", "nobody"} {
		ask := func() int {
			tap.take()
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { d.FindAccount(t.Context(), identity.ParseName(user)) })
			}
			all.Wait()
			return strings.Count(tap.take(), "servicePrincipalName")
		}
		if got := ask(); got != 1 {
			t.Errorf("%s: got %d questions, want one", user, got)
		}
		if got := ask(); got != 0 {
			t.Errorf("%s: got %d questions a moment later, want none", user, got)
		}
		pass(soughtAfresh + time.Second)
		if got := ask(); got != 1 {
			t.Errorf("%s: got %d questions later, want one", user, got)
		}
	}
}

// TestFindAccountWithoutController: no log-in waits long for it, and what was known
// holds.
func TestFindAccountWithoutController(t *testing.T) {
	s := startDemo(t, nil)
	d := demoDirectory(s)
	d.Timeout.Dial = caddy.Duration(time.Second)
	d, _ = open(t, d, "EXAMPLE")
	pass := clockOf(d)
	before := d.FindAccount(t.Context(), identity.ParseName("alice")).Account
	_ = s.Close()
	pass(time.Minute)
	began := time.Now()
	if got := d.FindAccount(t.Context(), identity.ParseName("alice")).Account; got != before {
		t.Errorf("known: got %q, want %q", got, before)
	}
	if got := d.FindAccount(t.Context(), identity.ParseName(`EXAMPLE\Carol`)).Account; got != "name:carol" {
		t.Errorf("unknown: got %q", got)
	}
	if took := time.Since(began); took > 2*soughtDeadline+time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestTaughtNames: a display name never passes for somebody else's log-in name, and
// whoever has a name later has it.
func TestTaughtNames(t *testing.T) {
	names, err := newTaught()
	if err != nil {
		t.Fatal(err)
	}
	defer names.close()
	person := func(n int, sam, display string) *identity.Identity {
		sid := sidFrom(t, fmt.Sprintf("S-1-5-21-1-2-3-%d", n))
		return identity.New(identity.Account{SID: sid, SAM: sam, DisplayName: display, UPN: sam + "@example.test", DN: "CN=" + sam + ",DC=example,DC=test"}, identity.Fold)
	}
	alice, mallory, heir := person(1, "alice", "Alice"), person(2, "mallory", "alice"), person(3, "alice", "Alice the Second")
	want := func(typed string, id *identity.Identity) {
		t.Helper()
		if got, _ := names.of(identity.ParseName(typed)); got != id.AccountKey() {
			t.Errorf("%q: got %s, want %s", typed, got, id.AccountKey())
		}
	}
	names.teach(mallory)
	if got, ok := names.of(identity.ParseName("alice")); ok {
		t.Errorf("alice, who has not logged in yet: got %s, mallory's account", got)
	}
	odd := identity.New(identity.Account{SID: sidFrom(t, "S-1-5-21-1-2-3-4"), SAM: "odd", UPN: "alice", DN: "CN=odd,DC=example,DC=test"}, identity.Fold)
	names.teach(odd)
	names.teach(alice)
	want("alice", alice)
	want("alice@example.test", alice)
	names.teach(heir)
	want("alice", heir)
	want("mallory", mallory)
	want(`EXAMPLE\alice`, heir)
}
