package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// Resolve implements identity.Directory. It asks on the connection on which the
// controller let the person in, and closes it; or the cache knows, see whois.
func (d *Directory) Resolve(ctx context.Context, p *identity.Principal) (*identity.Identity, error) {
	defer func() { _ = p.Close() }()
	if w, ok := p.Evidence().(attested); ok && w.of() == d {
		ctx, cancel := context.WithTimeout(ctx, overall)
		defer cancel()
		id, err := w.resolve(ctx)
		d.notice(ctx, nil, id)
		return id, claimedBy(p.Claimed(), err)
	}
	w, ok := p.Evidence().(*witness)
	if !ok || w.directory != d {
		return nil, claimedBy(p.Claimed(), identity.Fail(identity.KindInternal, errors.New("a principal that another directory proved")))
	}
	reusable := p.Verifier() == nameBind
	if w.cached != nil {
		w.settled = reusable
		return w.cached, nil
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	id, err := w.resolve(ctx, p.Verifier())
	d.notice(ctx, w, id)
	w.settled = reusable && err == nil
	return id, claimedBy(p.Claimed(), err)
}

// resolve looks up what the cache does not know. Where that is not done on the
// person's own connection it is done once for all log-ins of theirs.
func (w *witness) resolve(ctx context.Context, verifier string) (*identity.Identity, error) {
	d := w.directory
	key := d.keyOf(w.person.sid, w.person.entry.DN, uuidOf(w.person.entry), verifier, len(w.root.token) > 0)
	look := func(ctx context.Context) (id *identity.Identity, err error) {
		err = w.look(ctx, func(c *conn, root rootDSE) (err error) {
			id, err = d.identify(ctx, c, root, w.person, verifier)
			return err
		})
		if err != nil {
			return nil, err
		}
		d.cache.entries.Set(key, known{id, contextOf(w.root.token)})
		return id, nil
	}
	if len(w.root.token) > 0 {
		return look(ctx)
	}
	if id := d.cache.recall(key, d.limit()); id != nil {
		return id, nil
	}
	if w.root.ad || d.service == nil {
		return look(ctx)
	}
	return d.once(ctx, key, look)
}

// identify makes the identity of a person whose entry is at hand.
func (d *Directory) identify(ctx context.Context, c *conn, root rootDSE, p person, verifier string) (*identity.Identity, error) {
	at := d.now()
	if err := d.ownAccount(root, p); err != nil {
		return nil, err
	}
	if err := d.within(p.entry.DN); err != nil {
		return nil, err
	}
	if err := d.fits(ctx, c, p.entry.DN); err != nil {
		return nil, err
	}
	if err := d.unmistakable(ctx, c, root, p.entry); err != nil {
		return nil, err
	}
	overlooked, err := d.overlooked(ctx, c, root, p.entry)
	if err != nil {
		return nil, err
	}
	a := d.account(p)
	a.Details = d.details(p.entry, overlooked)
	if a.Groups, a.ByToken, err = d.groups(ctx, c, root, p); err != nil {
		return nil, err
	}
	a.Verifier, a.Server, a.At = verifier, c.server.url.Addr(), at
	if err := d.addFittings(ctx, c, root, &a); err != nil {
		return nil, err
	}
	return identity.New(a, policy.FoldDN), nil
}

func (d *Directory) account(p person) identity.Account {
	k := d.domain.known()
	a := identity.Account{
		Directory:   d.name,
		Home:        d.netBIOS(),
		SID:         p.sid,
		UUID:        uuidOf(p.entry),
		SAM:         d.loginName(p.entry),
		UPN:         value(p.entry, "userPrincipalName"),
		DN:          p.entry.DN,
		DisplayName: value(p.entry, "displayName"),
		Mail:        value(p.entry, "mail"),
		Domain:      d.netBIOS(),
		DNSDomain:   d.dns(),
		PasswordSet: number(p.entry, "pwdLastSet"),
	}
	if k.netBIOS != "" {
		a.Home, a.Domain = k.netBIOS, k.netBIOS
	}
	if k.dns != "" {
		a.DNSDomain = k.dns
	}
	if a.UPN == "" && a.DNSDomain != "" && !p.sid.IsZero() {
		a.UPN = a.SAM + "@" + a.DNSDomain // the implicit one, [MS-ADTS] 5.1.1.1.1
	}
	return a
}

// ownAccount refuses the account of another domain: CHILD\alice must not become
// EXAMPLE\alice. A global catalog shows the accounts of every domain of the
// forest, those of the domains below under this one's own DN.
func (d *Directory) ownAccount(root rootDSE, p person) error {
	if !root.ad || p.sid.IsZero() {
		return nil
	}
	own := strings.EqualFold(dnsFromDN(p.entry.DN), dnsFromDN(root.base))
	if k := d.domain.known(); !k.sid.IsZero() {
		own = own && p.sid.Domain() == k.sid
	}
	if own {
		return nil
	}
	return &identity.Error{
		Kind: identity.KindNotFound, Err: fmt.Errorf("%.512q is of another domain than %s", p.entry.DN, root.base),
		Hint: "an account of another domain needs a directory of its own here; a global catalog (port 3268 or 3269) shows the accounts of all domains",
	}
}

// within checks that an account is under one of the base DNs.
func (d *Directory) within(dn string) error {
	if len(d.bases) == 0 {
		return nil
	}
	account, err := ldap.ParseDN(dn)
	if err != nil {
		return identity.Fail(identity.KindProtocol, err)
	}
	for _, text := range d.bases {
		base, err := ldap.ParseDN(text)
		if err == nil && isUnder(account, base) {
			return nil
		}
	}
	return &identity.Error{
		Kind: identity.KindNotFound, Err: fmt.Errorf("%.512q is under none of the base DNs", dn),
		Hint: "if this account should be let in, add its place to base_dn; now: " + strings.Join(d.bases, " "),
	}
}

// isUnder reports whether a DN is below another. The last part of it must be that
// one as rules compare DNs: the LDAP library joins letters that directories do not.
func isUnder(account, base *ldap.DN) bool {
	above := len(account.RDNs) - len(base.RDNs)
	if above <= 0 || !base.AncestorOfFold(account) {
		return false
	}
	parent := &ldap.DN{RDNs: account.RDNs[above:]}
	return policy.FoldDN(parent.String()) == policy.FoldDN(base.String())
}
