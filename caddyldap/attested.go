package caddyldap

import (
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// attested is the evidence in a Principal of whom a ticket or a sealed answer
// tells: no connection was left on which to ask who that is.
type attested interface {
	of() *Directory
	// resolve finds out who it is, by the service account where there is one.
	resolve(ctx context.Context) (*identity.Identity, error)
}

// finding finds the account's entry; it never gives nil without an error.
type finding func(context.Context, *conn, rootDSE) (*ldap.Entry, error)

// lookUp asks on the service account's connections who an account is, where the
// cache does not know it by the key.
func (d *Directory) lookUp(ctx context.Context, key cacheKey, find finding) (*identity.Identity, error) {
	if id := d.cache.recall(key, d.limit()); id != nil {
		if newer := d.cache.recall(d.keyOfIdentity(id), d.limit()); newer != nil && newer.At.After(id.At) {
			id = newer // somebody was denied meanwhile, and looked up again
		}
		return id, nil
	}
	return d.once(ctx, key, func(ctx context.Context) (id *identity.Identity, err error) {
		err = d.service.do(ctx, func(c *conn, root rootDSE) error {
			id, err = d.identifyFound(ctx, c, root, key.verifier, find)
			return err
		})
		if err == nil {
			d.cache.entries.Set(key, known{id: id})
		}
		return id, err
	})
}

func (d *Directory) identifyFound(ctx context.Context, c *conn, root rootDSE, verifier string, find finding) (*identity.Identity, error) {
	e, err := find(ctx, c, root)
	if err != nil {
		return nil, err
	}
	sid, err := sidOf(e)
	if err != nil {
		return nil, err
	}
	if err := showsStanding(root, e); err != nil {
		return nil, err
	}
	if kind, ok := standing(e, d.now()); !ok {
		return nil, identity.Fail(kind, fmt.Errorf("%.512q has changed since its log-in or its ticket was made", e.DN))
	}
	id, err := d.identify(ctx, c, root, person{entry: e, sid: sid}, verifier)
	if err != nil || !root.ad {
		return id, err
	}
	// What every log-in is in, and an entry does not show.
	return d.carry(ctx, c, root, everybody, id)
}

// accountOf finds the account with a SID.
func (d *Directory) accountOf(ctx context.Context, c *conn, root rootDSE, sid identity.SID) (*ldap.Entry, error) {
	entries, err := bySIDs(ctx, c, root.base, []identity.SID{sid}, d.reading.account)
	if e := entries[sid]; err != nil || e != nil && isAccount(e) {
		return e, err
	}
	return nil, notFound()
}
