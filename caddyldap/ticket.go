package caddyldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// ticketWitness is the evidence in a Principal that a ticket has proven.
type ticketWitness struct {
	directory *Directory
	ticket    *krb.Ticket
	sid       identity.SID
}

// Close implements io.Closer: nothing is held.
func (*ticketWitness) Close() error { return nil }

// proveTicket makes the Principal of a ticket that the acceptor has taken.
func (d *Directory) proveTicket(t *krb.Ticket) *identity.Principal {
	w := &ticketWitness{directory: d, ticket: t}
	return identity.Prove(identity.Proof{
		SID: w.sid, Claimed: identity.Name{User: t.Client()}, Verifier: nameKeytab, Evidence: w,
	})
}

// resolve asks the directory who it is that a ticket names: by the SID where the
// ticket has one, which survives renames, else by the name.
func (w *ticketWitness) resolve(ctx context.Context) (*identity.Identity, error) {
	d := w.directory
	if d.service == nil {
		return nil, &identity.Error{
			Kind: identity.KindServiceAccount, Err: fmt.Errorf("nobody can look up %.300q", w.ticket.Client()),
			Hint: "the ticket has no PAC, and so neither SID nor groups: write a service_account line",
		}
	}
	// Not folded: there are realms in which anna and ANNA are two.
	key := cacheKey{dn: "ticket of " + w.ticket.Client(), verifier: nameKeytab, reading: d.reading.print}
	if id := d.cache.recall(key, d.limit()); id != nil {
		if newer := d.cache.recall(d.keyOfIdentity(id), d.limit()); newer != nil && newer.At.After(id.At) {
			id = newer // somebody was denied meanwhile, and looked up again
		}
		return id, nil
	}
	return d.once(ctx, key, func(ctx context.Context) (*identity.Identity, error) {
		id, err := w.look(ctx)
		if err == nil {
			d.cache.entries.Set(key, known{id: id})
		}
		return id, err
	})
}

// look asks on the service account's connections.
func (w *ticketWitness) look(ctx context.Context) (id *identity.Identity, err error) {
	d := w.directory
	err = d.service.do(ctx, func(c *conn, root rootDSE) error {
		e, err := w.entry(ctx, c, root)
		if err != nil {
			return err
		}
		sid, err := sidOf(e)
		if err != nil {
			return err
		}
		if err := showsStanding(root, e); err != nil {
			return err
		}
		if kind, ok := standing(e, d.now()); !ok {
			return identity.Fail(kind, fmt.Errorf("%.512q has changed since its ticket was made", e.DN))
		}
		if id, err = d.identify(ctx, c, root, person{entry: e, sid: sid}, nameKeytab); err != nil || !root.ad {
			return err
		}
		// What every log-in is in, and an entry does not show.
		id, err = d.carry(ctx, c, root, everybody, id)
		return err
	})
	return id, err
}

// entry finds the account by the client's name in the ticket.
func (w *ticketWitness) entry(ctx context.Context, c *conn, root rootDSE) (*ldap.Entry, error) {
	d := w.directory
	if !strings.EqualFold(w.ticket.Realm, d.dns()) && len(w.ticket.Name) > 0 {
		return nil, &identity.Error{
			Kind: identity.KindRealm, Err: fmt.Errorf("%.300q is of another realm than this directory, whose domain is %s", w.ticket.Client(), d.dns()),
			Hint: "users of another realm need a directory of their own here; where the domain has another DNS name than that, write dns_domain",
		}
	}
	name := identity.Name{User: strings.Join(w.ticket.Name, "/")}
	if err := name.Check(); err != nil {
		return nil, err
	}
	e, err := d.find(ctx, c, root, name)
	if err != nil {
		return nil, err
	}
	// Active Directory's KDC makes no difference between letters of two cases.
	// Others do, and their directories find anna for ANNA, who is somebody else.
	if e == nil || !root.ad && !slices.Contains(e.GetEqualFoldAttributeValues(d.loginAttribute(root)), name.User) {
		return nil, notFound()
	}
	return e, nil
}
