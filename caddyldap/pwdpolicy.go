package caddyldap

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Password policies of servers other than Active Directory, as OpenLDAP's overlay ppolicy
// has them: draft-behera-ldap-password-policy-10 5.2. An account may show which one is its
// own (pwdPolicySubentry); which one is for all others stands in the server's
// configuration, which nobody reads. So the strictest of those that are to be seen counts
// for everybody, and no answer tells whose policy is another one.

// policiesSeen are the password policies of a server.
type policiesSeen struct {
	n         int
	strictest lockout // of those by which accounts are locked; known where there is a policy
}

// attributeOfAccounts is what accounts have and policies have not. An account is none, though
// it may have the class, which is an auxiliary one: many servers let people write their own
// entries, and one of them could have everybody wait.
const attributeOfAccounts = "uid"

// readPolicies looks for them in all naming contexts.
func (d *Directory) readPolicies(ctx context.Context, c *conn, root rootDSE) (seen policiesSeen, err error) {
	for _, base := range d.groupBases(root, "") {
		list, err := c.search(ctx, base.dn, ldap.ScopeWholeSubtree, "(objectClass=pwdPolicy)", maxSettings,
			"pwdLockout", "pwdMaxFailure", "pwdFailureCountInterval", attributeOfAccounts)
		switch {
		case errors.Is(err, errLimit):
			seen.n += maxSettings
			seen.strictest = seen.strictest.careful()
			continue
		case isUnseen(err):
			continue // not to be seen there
		case err != nil:
			return seen, err
		}
		for _, e := range list {
			if value(e, attributeOfAccounts) != "" {
				continue
			}
			seen.n++
			seen.strictest = seen.strictest.stricter(readPolicy(e))
		}
	}
	return seen, nil
}

// policiesPause is how soon policies are looked for again that were not to be had in time.
const policiesPause = 30 * time.Second

// policiesInTime is readPolicies for a log-in, which waits for the answer. A server without
// an index may search long: then what was known goes on to hold, or a careful policy, and
// not each log-in asks again.
func (d *Directory) policiesInTime(ctx context.Context, c *conn, root rootDSE, last dated, now time.Time) dated {
	ctx, cancel := context.WithTimeout(ctx, soughtDeadline/2)
	defer cancel()
	seen, err := d.readPolicies(ctx, c, root)
	switch {
	case err == nil:
		return dated{seen.strictest, now}
	case !last.known:
		last.lockout = last.careful()
	}
	return dated{last.lockout, now.Add(policiesPause - policyAge)}
}

// readPolicy reads one. Without pwdLockout it locks nobody, and without an interval wrong
// passwords count until a right one.
func readPolicy(e *ldap.Entry) lockout {
	l := lockout{known: true}
	most, err := strconv.ParseInt(value(e, "pwdMaxFailure"), 10, 32)
	if !strings.EqualFold(value(e, "pwdLockout"), "TRUE") || err != nil || most <= 0 {
		return l
	}
	l.threshold, l.observation = int(most), longestObservation
	seconds, err := strconv.ParseInt(value(e, "pwdFailureCountInterval"), 10, 64)
	if err == nil && seconds > 0 && seconds < math.MaxInt64/int64(time.Second) {
		l.observation = min(time.Duration(seconds)*time.Second, longestObservation)
	}
	return l
}

// stricter is a policy that is kept where each of two is.
func (l lockout) stricter(other lockout) lockout {
	switch {
	case other.threshold == 0:
		l.known = l.known || other.known
		return l
	case l.threshold == 0:
		return other
	}
	return lockout{known: true, threshold: min(l.threshold, other.threshold), observation: max(l.observation, other.observation)}
}

// text is when accounts are locked.
func (seen policiesSeen) text() string {
	policies := "one password policy"
	if seen.n > 1 {
		policies = "the strictest of " + strconv.Itoa(seen.n) + " password policies"
	}
	switch {
	case seen.n == 0:
		return "no password policy is to be seen"
	case seen.strictest.threshold == 0:
		return "wrong passwords lock no account, by " + policies
	}
	return wrongPasswords(seen.strictest.threshold) + ", by " + policies
}

const hintNoPolicy = "if the server locks accounts (pwdMaxFailure), let the service account read the entries of the class pwdPolicy: until then one that locks sooner than throttle stops is not known"
