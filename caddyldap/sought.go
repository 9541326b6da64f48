package caddyldap

import (
	"context"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

const (
	// soughtAfresh is how long an answer holds, be it an account or nobody: one age for
	// both, or else who asks twice would see which names somebody has. An account
	// that was renamed or made meanwhile is counted wrong for no longer than that.
	soughtAfresh = 10 * time.Second
	// soughtDeadline is how long a log-in waits to learn whose name it brings.
	soughtDeadline = 2 * time.Second
	// maxSought is how many names are remembered.
	maxSought = 20_000
)

// sought remembers which accounts names mean.
type sought struct {
	names   *otter.Cache[identity.Name, meantAccount]
	flights singleflight.Group
}

// meantAccount is the account that a name meant at some time, empty where it was
// nobody's.
type meantAccount struct {
	account, dn string
	active      bool // in Active Directory
	at          time.Time
}

func (d *Directory) newSought() (*sought, error) {
	names, err := otter.New(&otter.Options[identity.Name, meantAccount]{
		MaximumSize:      maxSought,
		ExpiryCalculator: otter.ExpiryWriting[identity.Name, meantAccount](max(d.ttl(), soughtAfresh)),
	})
	if err != nil {
		return nil, fmt.Errorf("names of accounts: %w", err)
	}
	return &sought{names: names}, nil
}

func (s *sought) close() {
	s.names.InvalidateAll()
	s.names.StopAllGoroutines()
}

// FindAccount implements identity.AccountFinder. The service account looks the name up
// in the whole domain. Where it cannot, whom the name meant a while ago counts; and
// then, as without a service account, whoever of those that have logged in has such a
// name; and then the name itself, which may be one of two. No failure of this is one of a
// log-in: whom the controllers know gets in though the service account does not.
func (d *Directory) FindAccount(ctx context.Context, name identity.Name) identity.Sought {
	if name.Check() != nil {
		return identity.Sought{Account: textual + "?"} // nobody is asked about those
	}
	if d.service == nil {
		return countedAs(d.unasked(name), d.lockoutKnown().shared())
	}
	key := identity.Name{Domain: identity.Fold(name.Domain), User: identity.Fold(name.User)}
	last, before := d.sought.names.GetIfPresent(key)
	if !before || !d.fresh(last) {
		now, err := d.seekOnce(ctx, key, name)
		if err != nil && !before {
			return countedAs(d.unasked(name), d.lockoutKnown().careful().shared())
		}
		if err == nil {
			last = now
		}
	}
	if last.account == "" {
		l := d.lockoutKnown()
		if !before && last.active { // as of an account whose policy is not known yet
			l = l.careful()
		}
		return countedAs(d.unasked(name), l)
	}
	l := d.lockoutKnown()
	if last.active {
		l = d.accountLockout(last.account, last.dn)
	}
	return countedAs(last.account, l)
}

func (d *Directory) fresh(m meantAccount) bool { return d.now().Sub(m.at) <= soughtAfresh }

func countedAs(account string, l lockout) identity.Sought {
	return identity.Sought{Account: account, Threshold: l.threshold, Observation: l.observation}
}

// seekOnce asks for everybody who wants to know the same at a time.
func (d *Directory) seekOnce(ctx context.Context, key, name identity.Name) (meantAccount, error) {
	ctx, cancel := context.WithTimeout(ctx, soughtDeadline)
	defer cancel()
	results := d.sought.flights.DoChan(key.Domain+"\x00"+key.User, func() (_ any, err error) {
		defer recovered(&err)
		if m, ok := d.sought.names.GetIfPresent(key); ok && d.fresh(m) {
			return m, nil // somebody has asked a moment ago
		}
		ctx, cancel := context.WithTimeout(d.life, soughtDeadline)
		defer cancel()
		m, err := d.seek(ctx, name)
		if err == nil {
			d.sought.names.Set(key, m)
		}
		return m, err
	})
	select {
	case r := <-results:
		m, _ := r.Val.(meantAccount)
		return m, r.Err
	case <-ctx.Done():
		return meantAccount{}, context.Cause(ctx)
	}
}

// seek asks a controller, by the service account, whom a name means.
func (d *Directory) seek(ctx context.Context, name identity.Name) (meantAccount, error) {
	var m meantAccount
	err := d.service.do(ctx, func(c *conn, root rootDSE) error {
		m = meantAccount{active: root.ad, at: d.now()}
		if _, err := d.domainLockout(ctx, c, root); err != nil {
			return err
		}
		e, err := d.meantBy(ctx, c, root, name)
		if err != nil || e == nil {
			return err
		}
		sid, err := sidOf(e)
		if err != nil {
			return err
		}
		m.account, m.dn = identity.New(d.account(person{entry: e, sid: sid}), policy.FoldDN).AccountKey(), e.DN
		return nil
	})
	return m, err
}

// meantBy finds the account that a password with a name would be tried for: the one
// that the configured form of binding comes to, else the one that a controller of
// Active Directory finds itself, in a bind or by NTLM. nil where there is none.
func (d *Directory) meantBy(ctx context.Context, c *conn, root rootDSE, name identity.Name) (*ldap.Entry, error) {
	e, err := d.targeted(ctx, c, root, name)
	if identity.KindOf(err).AboutAccount() {
		err = nil // nobody's password is tried then
	}
	if err != nil || e != nil || !root.ad {
		return e, err
	}
	if _, _, isUPN := name.UPN(); !isUPN && name.Domain == "" && d.User != nil {
		name.User += d.User.Suffix
	}
	return findMeant(ctx, c, root, name)
}

// targeted finds the account whose DN the password is tried with, where it is one.
func (d *Directory) targeted(ctx context.Context, c *conn, root rootDSE, name identity.Name) (*ldap.Entry, error) {
	var targets []bindTarget
	var err error
	switch form := d.formAt(root); {
	case form == bindSearch:
		return d.findTyped(ctx, c, root, name)
	case form == bindDirect && root.ad:
		return nil, nil
	case form == bindDirect:
		targets = []bindTarget{{name: d.directName(name)}}
	default:
		targets, err = d.possible(name)
	}
	for _, target := range targets {
		if checkDN(target.name) != nil {
			continue
		}
		e, err := c.entry(ctx, target.name, d.reading.account...)
		if err != nil || e != nil {
			return e, err
		}
	}
	return nil, err
}

// formAt is bindForm where a server has said what it is.
func (d *Directory) formAt(root rootDSE) string {
	switch {
	case d.BindAs != nil:
		return d.BindAs.Form
	case root.ad:
		return bindDirect
	}
	return bindSearch
}

var _ identity.AccountFinder = (*Directory)(nil)
