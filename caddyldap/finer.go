package caddyldap

import (
	"context"
	"fmt"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/semaphore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

const (
	// finerAge is how long a policy of an account serves while it is read again.
	finerAge = 12 * policyAge
	// maxFiner is how many accounts' policies are remembered, and finerAtOnce how many
	// are read at a time: guessers say how many there are to read.
	maxFiner    = 20_000
	finerAtOnce = 4
)

// finer remembers the policies of single accounts. A controller works out which one it
// is, msDS-ResultantPSO, and that takes the longer the more groups somebody is in: 50 ms
// were seen with 300. So nobody waits for it, or else the answer to a name would tell
// that somebody has it.
type finer struct {
	accounts *otter.Cache[string, dated]
	reading  *semaphore.Weighted
}

func newFiner() (*finer, error) {
	accounts, err := otter.New(&otter.Options[string, dated]{MaximumSize: maxFiner, ExpiryCalculator: otter.ExpiryWriting[string, dated](finerAge)})
	if err != nil {
		return nil, fmt.Errorf("policies of accounts: %w", err)
	}
	return &finer{accounts, semaphore.NewWeighted(finerAtOnce)}, nil
}

func (f *finer) close() {
	f.accounts.InvalidateAll()
	f.accounts.StopAllGoroutines()
}

// accountLockout is the policy for an account, as far as it is known by now: a careful
// one until it has been read.
func (d *Directory) accountLockout(account, dn string) lockout {
	last, ok := d.finer.accounts.GetIfPresent(account)
	if !ok || d.now().Sub(last.at) >= policyAge {
		d.readFiner(account, dn)
	}
	switch {
	case !ok:
		return d.lockoutKnown().careful()
	case last.known:
		return last.lockout
	}
	return d.lockoutKnown()
}

// readFiner reads the policy of an account in the background, unless enough are being
// read.
func (d *Directory) readFiner(account, dn string) {
	if !d.finer.reading.TryAcquire(1) {
		return
	}
	d.spawn(func(ctx context.Context) {
		defer d.finer.reading.Release(1)
		_, _, _ = d.sought.flights.Do("policy\x00"+account, func() (_ any, err error) {
			defer recovered(&err)
			if last, ok := d.finer.accounts.GetIfPresent(account); ok && d.now().Sub(last.at) < policyAge {
				return nil, nil
			}
			ctx, cancel := context.WithTimeout(ctx, overall)
			defer cancel()
			l, err := d.askFiner(ctx, dn)
			if err == nil {
				d.finer.accounts.Set(account, dated{l, d.now()})
			}
			return nil, err
		})
	})
}

// recovered makes an error of a panic in a goroutine without a request around it, which
// would take the program along.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = identity.Fail(identity.KindInternal, fmt.Errorf("a panic while looking a name up: %v", r))
	}
}

// askFiner asks for the policy of an account: that of its password settings object,
// where it has one; not known where it has none and the domain's holds. What cannot be
// read is taken for strict.
func (d *Directory) askFiner(ctx context.Context, dn string) (l lockout, err error) {
	err = d.service.do(ctx, func(c *conn, root rootDSE) error {
		if !root.ad {
			return nil // servers of other kinds do not say it of an account
		}
		domain, err := d.domainLockout(ctx, c, root)
		if err != nil {
			return err
		}
		settings, shown, err := resultant(ctx, c, dn)
		switch {
		case err != nil:
			return err
		case settings != "":
			if l, err = d.settingsLockout(ctx, c, settings); err == nil && !l.known {
				l = domain.careful()
			}
			return err
		case !shown:
			l = domain.careful()
		}
		return nil
	})
	return l, err
}

// resultant is the DN of an account's password settings object, [MS-ADA2]; empty
// where it has none, which is to be believed where shown. uSNChanged is in no
// property set: who sees it may read all of the entry. A global catalog does not have
// all of it.
func resultant(ctx context.Context, c *conn, dn string) (settings string, shown bool, err error) {
	e, err := c.entry(ctx, dn, "msDS-ResultantPSO", "uSNChanged")
	if err != nil && !isResult(err) || e == nil {
		return "", false, err
	}
	return value(e, "msDS-ResultantPSO"), value(e, "uSNChanged") != "" && !c.server.url.isCatalog(), nil
}
