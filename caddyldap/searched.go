package caddyldap

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// searched finds the account by the service account's connection.
func (d *Directory) searched(ctx context.Context, n identity.Name) ([]bindTarget, error) {
	var e *ldap.Entry
	var base string
	err := d.service.do(ctx, func(c *conn, root rootDSE) (err error) {
		base = d.basesOf(root)[0]
		e, err = d.findTyped(ctx, c, root, n)
		if err == nil && e == nil {
			err = identity.Fail(identity.KindBadCredentials, fmt.Errorf("no account has this log-in name under %s", strings.Join(d.basesOf(root), " or ")))
		}
		return err
	})
	switch {
	case err == nil:
		return []bindTarget{{name: e.DN, dn: true, found: true}}, nil
	case identity.KindOf(err).AboutAccount():
		return nil, d.decoy(ctx, base, err)
	}
	return nil, err
}

// firstThere finds which of several DNs there is, the first of them, by the service
// account's connection. The password goes to no other one: it would count there too, and
// an account is counted by the first.
func (d *Directory) firstThere(ctx context.Context, targets []bindTarget) ([]bindTarget, error) {
	var found []bindTarget
	err := d.service.do(ctx, func(c *conn, _ rootDSE) error {
		found = nil
		for _, target := range targets {
			e, err := c.entry(ctx, target.name, "1.1")
			if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidDNSyntax) {
				return err
			}
			if e != nil {
				target.found = true
				found = []bindTarget{target}
				return nil
			}
		}
		return nil
	})
	if err != nil || found != nil {
		return found, err
	}
	nobody := identity.Fail(identity.KindBadCredentials, fmt.Errorf("no account has this name under %s", strings.Join(d.bases, " or ")))
	return nil, d.decoy(ctx, d.bases[0], nobody)
}

// findTyped is find for a name as somebody typed it, read as its directory reads
// it. In Active Directory a backslash parts a domain from a name. Elsewhere it may
// stand in the name itself, as an at sign may, and what such a sign parts off is
// a domain only where it is this directory's own.
func (d *Directory) findTyped(ctx context.Context, c *conn, root rootDSE, n identity.Name) (*ldap.Entry, error) {
	if root.ad {
		if n.Domain != "" && !d.isOwn(n.Domain) {
			return d.findForeign(ctx, c, root, n)
		}
		return d.find(ctx, c, root, n)
	}
	domain := n.Domain
	if _, suffix, isUPN := n.UPN(); isUPN && domain == "" && !d.namesByAttribute() {
		domain = suffix
	}
	if domain == "" {
		return d.find(ctx, c, root, n)
	}
	first, second := d.findWhole, d.find
	switch {
	case d.isOwnPart(domain):
		first, second = d.find, d.findWhole
	case n.Domain != "":
		second = d.findForeign
	}
	e, err := first(ctx, c, root, n)
	if err != nil || e != nil {
		return e, err
	}
	return second(ctx, c, root, n)
}

func (d *Directory) findForeign(_ context.Context, _ *conn, _ rootDSE, n identity.Name) (*ldap.Entry, error) {
	return nil, d.foreign(n.Domain)
}

// findWhole looks for the account whose log-in name is all that was typed.
func (d *Directory) findWhole(ctx context.Context, c *conn, root rootDSE, n identity.Name) (*ldap.Entry, error) {
	return d.findBy(ctx, c, root, "("+d.loginAttribute(root)+"="+ldap.EscapeFilter(n.String())+")")
}

// isOwnPart reports whether a part of a typed name says that the name is of this
// directory: a name of its domain, or the suffix that its names get.
func (d *Directory) isOwnPart(domain string) bool {
	return d.isOwn(domain) || d.User != nil && d.User.Suffix != "" && strings.EqualFold("@"+domain, d.User.Suffix)
}

func (d *Directory) namesByAttribute() bool { return d.User != nil && d.User.Attribute != "" }

// loginAttribute is where log-in names are searched.
func (d *Directory) loginAttribute(root rootDSE) string {
	switch {
	case d.namesByAttribute():
		return d.User.Attribute
	case root.ad:
		return "sAMAccountName"
	}
	return "uid"
}
