package caddyldap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/krb"
	"github.com/caddy-ntlm/caddy-ntlm/internal/pac"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// certificate is the PAC of a ticket, and what is made of it once: the acceptor
// remembers both with the ticket.
type certificate struct {
	*pac.PAC
	mu sync.Mutex
	id *identity.Identity // by certified; nil where nobody has asked
}

// certify is the acceptor's Certify: a *certificate, nil where the ticket has none.
func certify(t *krb.Ticket) (any, error) {
	p, err := certificateOf(t)
	if p == nil || err != nil {
		return (*certificate)(nil), err
	}
	return &certificate{PAC: p}, nil
}

// certificateOf reads the PAC of a ticket, nil where it has none. The KDC alone,
// and whoever has the service's key, can have signed it; and it must be of this
// very ticket.
func certificateOf(t *krb.Ticket) (*pac.PAC, error) {
	if t.PAC == nil {
		return nil, nil
	}
	p, err := pac.Parse(t.PAC)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", krb.ErrPAC, err)
	case p.Server == nil:
		return nil, fmt.Errorf("%w: nobody has signed it", krb.ErrPAC)
	}
	if err := t.CheckPAC(p.Signed(), p.Server.Type, p.Server.Sum); err != nil {
		return nil, err
	}
	if err := p.CheckClient(strings.Join(t.Name, "/"), t.AuthAt); err != nil {
		return nil, fmt.Errorf("%w: %w", krb.ErrPAC, err)
	}
	return p, nil
}

// ticketWitness is the evidence in a Principal that a ticket has proven.
type ticketWitness struct {
	directory   *Directory
	ticket      *krb.Ticket
	certificate *certificate // may be nil
	verifier    string       // its name
	sid         identity.SID // zero where no certificate has it
}

// Close implements io.Closer: nothing is held.
func (*ticketWitness) Close() error { return nil }

// proveTicket makes the Principal of a ticket that the acceptor has taken, with
// what it has certified. The proof lacks whom it is of, which the ticket says.
func (d *Directory) proveTicket(t *krb.Ticket, p identity.Proof) *identity.Principal {
	c, _ := t.Certificate.(*certificate)
	w := &ticketWitness{directory: d, ticket: t, certificate: c, verifier: p.Verifier}
	if c != nil && c.Logon != nil {
		w.sid = c.Logon.SID()
	}
	if c != nil && c.Delegation != nil {
		d.log().Info("a service logs somebody in by delegation", zap.String("user", t.Client()),
			zap.String("target", c.Delegation.Target), zap.Strings("transited", c.Delegation.Through))
	}
	p.SID, p.Evidence = w.sid, w
	return identity.Prove(p)
}

// resolve asks the directory who it is that a ticket names: by the SID where the
// ticket has one, which survives renames, else by the name.
func (w *ticketWitness) resolve(ctx context.Context) (*identity.Identity, error) {
	d := w.directory
	if d.service == nil && !w.sid.IsZero() {
		return w.certified()
	}
	if d.service == nil {
		return nil, &identity.Error{
			Kind: identity.KindServiceAccount, Err: fmt.Errorf("nobody can look up %.300q", w.ticket.Client()),
			Hint: "the ticket has no PAC, and so neither SID nor groups: write a service_account line",
		}
	}
	// Not folded: there are realms in which anna and ANNA are two.
	key := cacheKey{sid: w.sid, dn: "ticket of " + w.ticket.Client(), verifier: w.verifier, reading: d.reading.print}
	return d.lookUp(ctx, key, w.entry)
}

// of implements attested.
func (w *ticketWitness) of() *Directory { return w.directory }

// certified is the identity that the certificate tells of, where nobody can look
// names up: groups are SIDs, and rules by their names let nobody in and keep
// everybody out, as do those by roles and attributes. It says the same each time, but
// for when it was asked.
func (w *ticketWitness) certified() (*identity.Identity, error) {
	d, c := w.directory, w.certificate
	if err := w.checkRealm(cmp.Or(d.dns(), w.ticket.Home)); err != nil {
		return nil, err // OTHER\alice is not EXAMPLE\alice
	}
	if err := d.tellable(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == nil {
		c.id = w.identify()
	}
	now := *c.id
	now.At = d.now()
	return &now, nil
}

func (w *ticketWitness) identify() *identity.Identity {
	d, logon := w.directory, w.certificate.Logon
	a := identity.Account{
		Directory: d.name, Home: logon.Domain, Domain: logon.Domain, DNSDomain: strings.ToLower(w.ticket.Realm),
		SID: w.sid, SAM: logon.Name, DisplayName: logon.Display, UPN: logon.Name + "@" + strings.ToLower(w.ticket.Realm),
		Verifier: w.verifier, ByToken: true, Details: d.untold(logon.Display),
	}
	if u := w.certificate.UPN; u != nil && u.Name != "" {
		a.UPN = u.Name
	}
	for _, sid := range append(logon.Groups(), identity.SIDEveryone, identity.SIDAuthenticatedUsers) {
		a.Groups = append(a.Groups, identity.Group{SID: sid})
	}
	return identity.New(a, policy.FoldDN)
}

// checkRealm holds whom a ticket names, be it by name or by SID, to the directory's
// own realm.
func (w *ticketWitness) checkRealm(own string) error {
	if strings.EqualFold(w.ticket.Realm, own) {
		return nil
	}
	return &identity.Error{
		Kind: identity.KindRealm, Err: fmt.Errorf("%.300q is of another realm than this directory, whose domain is %s", w.ticket.Client(), own),
		Hint: "users of another realm need a directory of their own here; where the domain has another DNS name than that, write dns_domain",
	}
}

// entry finds the account: by the SID in the certificate, else by the client's
// name in the ticket. The certificate of another realm's user may hold a SID of
// this domain only where that realm's centre lies and ours does not filter SIDs,
// [MS-PAC] 4.1.2.2.
func (w *ticketWitness) entry(ctx context.Context, c *conn, root rootDSE) (*ldap.Entry, error) {
	d := w.directory
	if !w.sid.IsZero() {
		own := d.dns()
		if root.ad {
			own = dnsFromDN(root.base) // as the controller has it, whatever is configured
		}
		if err := w.checkRealm(own); err != nil {
			return nil, err
		}
		return d.accountOf(ctx, c, root, w.sid)
	}
	if err := w.checkRealm(d.dns()); err != nil {
		return nil, err
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
