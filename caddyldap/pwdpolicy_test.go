package caddyldap

import (
	"context"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// TestPoliciesHoldNobodyUp: a server that does not find its policies in time is not asked for
// them again by each log-in, and whose name it is it still says.
func TestPoliciesHoldNobodyUp(t *testing.T) {
	s := unixPeople(t, map[string][]string{"anna": {"anna"}})
	d, _ := open(t, unixDirectory(s, "OU=Staff,"+s.BaseDN()), "EXAMPLE")
	late, cancel := context.WithCancel(t.Context())
	cancel()
	err := d.service.do(t.Context(), func(c *conn, root rootDSE) error {
		_, err := d.domainLockout(late, c, root)
		return err
	})
	got := d.lockouts.domain
	if err != nil || got.threshold != assumedThreshold || d.now().Sub(got.at) >= policyAge {
		t.Errorf("got %v of %v, %v", got.lockout, got.at, err)
	}
}

// TestPolicyOfAnAccount: threats F-11. The class is an auxiliary one: who may write his own
// entry would else have everybody locked out by the first wrong password.
func TestPolicyOfAnAccount(t *testing.T) {
	policy := func(most string) map[string][]string {
		return map[string][]string{"objectClass": {"top", "person", "pwdPolicy"}, "pwdLockout": {"TRUE"}, "pwdMaxFailure": {most}, "pwdFailureCountInterval": {"600"}}
	}
	s := startDemo(t, func(c *demodir.Config) {
		c.NotActive, c.NoTokenGroups, c.NoInChain = true, true, true
		mallory := policy("1")
		mallory["uid"] = []string{"mallory"}
		c.Users = append(c.Users, demodir.User{Name: "mallory", Password: "Secr3t-m", Attributes: mallory},
			demodir.User{Name: "default", Password: "Secr3t-d", Attributes: policy("5")})
	})
	d, _ := open(t, unixDirectory(s, "OU=Staff,"+s.BaseDN()), "EXAMPLE")
	var seen policiesSeen
	err := d.service.do(t.Context(), func(c *conn, root rootDSE) (err error) {
		seen, err = d.readPolicies(t.Context(), c, root)
		return err
	})
	if want := (lockout{true, 5, 10 * time.Minute}); err != nil || seen.n != 1 || seen.strictest != want {
		t.Errorf("got %d, %v, %v, want 1, %v", seen.n, seen.strictest, err, want)
	}
}

// TestBusyKnowsNoPolicy: threats F-11. A server that is too busy to say what its policies are
// has not said that there are none: the last one holds.
func TestBusyKnowsNoPolicy(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.Busy = true })
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	c, err := d.connect(t.Context(), d.servers.all()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	c.open()
	for _, active := range []bool{true, false} {
		d.lockouts.mu.Lock()
		d.lockouts.domain = dated{lockout{true, 2, time.Minute}, d.now().Add(-2 * policyAge)}
		d.lockouts.mu.Unlock()
		_, _ = d.domainLockout(t.Context(), c, rootDSE{base: s.BaseDN(), contexts: []string{s.BaseDN()}, ad: active})
		if got, want := d.lockoutKnown(), (lockout{true, 2, time.Minute}); got != want {
			t.Errorf("Active Directory %v: got %v, want %v", active, got, want)
		}
	}
}

// TestReadPolicy: draft-behera-ldap-password-policy-10 5.2.10 to 5.2.13.
func TestReadPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		lock, most, interval string
		want                 lockout
	}{
		"locks":            {"TRUE", "5", "600", lockout{true, 5, 10 * time.Minute}},
		"never forgets":    {"TRUE", "3", "0", lockout{true, 3, longestObservation}},
		"no interval":      {"TRUE", "3", "", lockout{true, 3, longestObservation}},
		"does not lock":    {"FALSE", "5", "600", lockout{known: true}},
		"says nothing":     {"", "5", "600", lockout{known: true}},
		"no maximum":       {"TRUE", "0", "600", lockout{known: true}},
		"no number":        {"TRUE", "-5", "600", lockout{known: true}},
		"endless interval": {"TRUE", "5", "9223372036854775807", lockout{true, 5, longestObservation}},
	} {
		e := entryOf("cn=x", map[string][]string{"pwdLockout": {c.lock}, "pwdMaxFailure": {c.most}, "pwdFailureCountInterval": {c.interval}})
		if got := readPolicy(e); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestStricterPolicy: what is kept where both policies are.
func TestStricterPolicy(t *testing.T) {
	none, short, long := lockout{known: true}, lockout{true, 3, time.Minute}, lockout{true, 5, time.Hour}
	for _, c := range []struct{ one, other, want lockout }{
		{lockout{}, none, none}, {none, short, short}, {short, none, short}, {lockout{}, long, long},
		{short, long, lockout{true, 3, time.Hour}}, {long, short, lockout{true, 3, time.Hour}},
	} {
		if got := c.one.stricter(c.other); got != c.want {
			t.Errorf("%v and %v: got %v, want %v", c.one, c.other, got, c.want)
		}
	}
}
