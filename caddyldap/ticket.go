package caddyldap

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
)

// ticketWitness is the evidence in a Principal that a ticket has proven.
type ticketWitness struct {
	directory *Directory
	ticket    *krb.Ticket
	verifier  string
	sid       identity.SID
}

// Close implements io.Closer: nothing is held.
func (*ticketWitness) Close() error { return nil }

// proveTicket makes the Principal of a ticket that the acceptor has taken. The
// proof lacks whom it is of, which the ticket says.
func (d *Directory) proveTicket(t *krb.Ticket, p identity.Proof) *identity.Principal {
	w := &ticketWitness{directory: d, ticket: t, verifier: p.Verifier}
	p.SID, p.Evidence = w.sid, w
	return identity.Prove(p)
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
	var id *identity.Identity
	err := d.service.do(ctx, func(c *conn, root rootDSE) error {
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
		id, err = d.identify(ctx, c, root, person{entry: e, sid: sid}, w.verifier)
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
	if err == nil && e == nil {
		err = notFound()
	}
	return e, err
}
