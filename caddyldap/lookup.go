package caddyldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Lookup asks what the directory knows of somebody else, on the connection of
// whoever has just logged in and with their rights. It proves nothing about
// anybody and is for the doctor alone. The principal stays open: Resolve or
// Close is still due. Errors are *identity.Error; KindNotFound where there is no
// such account.
func (d *Directory) Lookup(ctx context.Context, p *identity.Principal, name identity.Name) (*identity.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	if err := name.Check(); err != nil {
		return nil, err
	}
	if !d.Accepts(name) {
		return nil, d.foreign(name.Domain)
	}
	var id *identity.Identity
	err := d.lookFor(ctx, p, func(c *conn, root rootDSE) (err error) {
		id, err = d.lookup(ctx, c, root, name)
		return err
	})
	return id, err
}

func (d *Directory) lookup(ctx context.Context, c *conn, root rootDSE, name identity.Name) (*identity.Identity, error) {
	entry, err := d.find(ctx, c, root, name)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, identity.Fail(identity.KindNotFound, errors.New("no account has this log-in name"))
	}
	sid, err := sidOf(entry)
	if err != nil {
		return nil, err
	}
	return d.identify(ctx, c, root, person{entry: entry, sid: sid}, "lookup")
}

// Doubted adds to an error about an account what the server shows against the
// configuration: a base DN or a domain of somewhere else makes every name wrong. It
// is for the doctor.
func (d *Directory) Doubted(ctx context.Context, err error) error {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok || !e.Kind.AboutAccount() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	for _, s := range d.servers.all() {
		root, lost := d.look(ctx, s)
		if lost != nil {
			continue
		}
		doubt, ok := errors.AsType[*identity.Error](d.testRoot(s, root))
		if !ok {
			return err
		}
		told := *e
		told.Err, told.Hint = fmt.Errorf("%w, and %w", e.Err, doubt.Err), doubt.Hint
		return &told
	}
	return err
}

// lookFor looks something up for the doctor: on the connection of whoever has just
// logged in, or with the service account where nobody has.
func (d *Directory) lookFor(ctx context.Context, p *identity.Principal, act func(*conn, rootDSE) error) error {
	var told bool // p is proven without a connection to look up on
	if p != nil {
		a, ok := p.Evidence().(attested)
		told = ok && a.of() == d
	}
	switch {
	case (p == nil || told) && d.service != nil:
		return d.service.do(ctx, act)
	case told:
		return &identity.Error{
			Kind: identity.KindServiceAccount, Err: errors.New("nobody can look up names: the log-in was proven without LDAP"),
			Hint: "write a service_account line, with which accounts and groups are looked up",
		}
	case p != nil:
		if w, ok := p.Evidence().(*witness); ok && w.directory == d {
			return w.look(ctx, act)
		}
	}
	return identity.Fail(identity.KindInternal, errors.New("neither a service account nor somebody whom this directory proved"))
}

// followed is whose groups are followed: those of whoever has a connection here, or
// of somebody who has been looked up, as whoever is proven without one has to be.
func (d *Directory) followed(ctx context.Context, p *identity.Principal, other *identity.Identity) (*witness, *identity.Identity, error) {
	switch e := p.Evidence().(type) {
	case *witness:
		if e.directory == d {
			return e, other, nil
		}
	case attested:
		if e.of() == d && other != nil {
			return nil, other, nil
		}
		if e.of() == d {
			id, err := e.resolve(ctx)
			return nil, id, err
		}
	}
	return nil, nil, identity.Fail(identity.KindInternal, errors.New("a principal that another directory proved"))
}
