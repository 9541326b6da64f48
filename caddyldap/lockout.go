package caddyldap

import (
	"context"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// lockout is what a domain, or a password settings object, does to accounts after wrong
// passwords.
type lockout struct {
	known       bool
	threshold   int           // 0: nothing
	observation time.Duration // how long wrong passwords count; 0 where it is not known
}

const (
	// policyAge is how long a policy holds that was read: who lowers a threshold
	// locks people out for no longer than that.
	policyAge = 5 * time.Minute
	// assumedThreshold and assumedObservation stand for a policy that is there, or may
	// be, and cannot be read. Fewer than three wrong passwords before a lock are seen
	// nowhere, and half an hour is what Windows proposes.
	assumedThreshold   = 3
	assumedObservation = 30 * time.Minute
	// longestObservation stands for one without end, and for what no Duration holds.
	longestObservation = 10 * 365 * 24 * time.Hour
	// maxSettings is how many password settings objects are kept: a domain has few.
	maxSettings = 256
)

// careful is a policy beside which there may be a stricter one.
func (l lockout) careful() lockout {
	if !l.known || l.threshold == 0 || l.threshold > assumedThreshold {
		l.threshold = assumedThreshold
	}
	return lockout{known: true, threshold: l.threshold, observation: max(l.observation, assumedObservation)}
}

// shared is a policy for one of two names that may be the same account's: sAMAccountName
// and a UPN of another spelling are counted apart where nobody can tell. What strangers
// may try by each, two less than the threshold at most, is together one less than lock
// the account.
func (l lockout) shared() lockout {
	if l.threshold > 3 {
		l.threshold = (l.threshold-1)/2 + 2
	}
	return l
}

// readLockout reads a threshold, [MS-ADA1] 2.372 and [MS-ADA2], and how long wrong
// passwords count. Without a threshold nothing is known.
func readLockout(e *ldap.Entry, threshold, observation string) lockout {
	if e == nil {
		return lockout{}
	}
	n, err := strconv.ParseInt(value(e, threshold), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return lockout{}
	}
	return lockout{known: true, threshold: int(n), observation: interval(value(e, observation))}
}

// interval reads a time in hundreds of nanoseconds that counts from whenever something
// happens, and so is below zero, [MS-ADA1] 2.371; the least number is without
// end. What is no such time is zero: not known.
func interval(text string) time.Duration {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n >= 0:
		return 0
	case n <= -int64(longestObservation/100):
		return longestObservation
	}
	return time.Duration(-n) * 100
}

// lockouts are the policies that were read, kept for a while.
type lockouts struct {
	mu       sync.Mutex
	domain   dated
	finer    bool             // the domain has password settings objects
	settings map[string]dated // by folded DN
}

type dated struct {
	lockout
	at time.Time
}

// domainLockout is the policy of the domain, or what holds for everybody elsewhere. Where
// it cannot be asked for, the last one holds.
func (d *Directory) domainLockout(ctx context.Context, c *conn, root rootDSE) (lockout, error) {
	kept := &d.lockouts
	kept.mu.Lock()
	last := kept.domain
	kept.mu.Unlock()
	now := d.now()
	if !last.at.IsZero() && now.Sub(last.at) < policyAge {
		return last.lockout, nil
	}
	if !root.ad {
		last = d.policiesInTime(ctx, c, root, last, now)
		kept.mu.Lock()
		defer kept.mu.Unlock()
		kept.domain = last
		return last.lockout, nil
	}
	e, err := c.entry(ctx, root.base, "lockoutThreshold", "lockOutObservationWindow")
	if err != nil && !isUnseen(err) {
		return last.lockout, err
	}
	finer := d.service == nil && hasSettings(ctx, c, root)
	last = dated{readLockout(e, "lockoutThreshold", "lockOutObservationWindow"), now}
	kept.mu.Lock()
	kept.domain, kept.finer = last, finer
	kept.mu.Unlock()
	return last.lockout, nil
}

// isUnseen reports whether a server's answer means that a policy is not to be seen. One that
// had no time has said nothing of it, and who can make it so must not end what it said before.
func isUnseen(err error) bool {
	return isResult(err) && !overloaded(err) && !ldap.IsErrorAnyOf(err, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultOther)
}

// settingsContainer is where password settings objects are, [MS-ADTS] 6.1.1.4.11.1.
func settingsContainer(root rootDSE) string {
	return "CN=Password Settings Container,CN=System," + root.base
}

// hasSettings reports whether there is a password settings object to be seen. That one
// is there shows to more people than what it says.
func hasSettings(ctx context.Context, c *conn, root rootDSE) bool {
	list, err := c.oneLevel(ctx, settingsContainer(root))
	return err == nil && len(list) > 0
}

// oneLevel lists a few entries right below another.
func (c *conn) oneLevel(ctx context.Context, base string) ([]*ldap.Entry, error) {
	return c.search(ctx, base, ldap.ScopeSingleLevel, "(objectClass=*)", maxSettings, "msDS-LockoutThreshold", "msDS-LockoutObservationWindow")
}

func (d *Directory) settingsLockout(ctx context.Context, c *conn, dn string) (lockout, error) {
	kept, key, now := &d.lockouts, policy.FoldDN(dn), d.now()
	kept.mu.Lock()
	last, ok := kept.settings[key]
	kept.mu.Unlock()
	if ok && now.Sub(last.at) < policyAge {
		return last.lockout, nil
	}
	e, err := c.entry(ctx, dn, "msDS-LockoutThreshold", "msDS-LockoutObservationWindow")
	if err != nil && !isUnseen(err) {
		return lockout{}, err
	}
	last = dated{readLockout(e, "msDS-LockoutThreshold", "msDS-LockoutObservationWindow"), now}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if len(kept.settings) >= maxSettings || kept.settings == nil {
		kept.settings = make(map[string]dated)
	}
	kept.settings[key] = last
	return last.lockout, nil
}

// lockoutKnown is what holds for a name of which nothing but the domain is known.
// Without a service account nobody sees which accounts a finer policy is for.
func (d *Directory) lockoutKnown() lockout {
	d.lockouts.mu.Lock()
	defer d.lockouts.mu.Unlock()
	if d.lockouts.finer {
		return d.lockouts.domain.careful()
	}
	return d.lockouts.domain.lockout
}

// forget has every policy read again before it is used.
func (l *lockouts) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.domain.at, l.settings = time.Time{}, nil
}
