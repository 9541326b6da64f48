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

// HasServiceAccount reports whether the directory can look accounts up on its own.
func (d *Directory) HasServiceAccount() bool { return d.service != nil }

// ReadsTokens reports whether the groups of a log-in are those of its security
// token. They are not where groups of groups do not count.
func (d *Directory) ReadsTokens() bool { return d.nested() }

// Find asks what the directory knows of an account, with the service account. It
// proves nothing about anybody and is for the doctor alone. Errors are
// *identity.Error, of the kind that a log-in with the right password would end
// with; KindBadCredentials where there is no such account.
func (d *Directory) Find(ctx context.Context, name identity.Name) (*identity.Identity, error) {
	if d.service == nil {
		return nil, &identity.Error{Kind: identity.KindCannotRefresh, Hint: "a service_account line lets accounts be looked up"}
	}
	if err := name.Check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	var id *identity.Identity
	err := d.service.do(ctx, func(c *conn, root rootDSE) error {
		entry, err := d.findAnywhere(ctx, c, root, name)
		if err != nil {
			return err
		}
		id, err = d.foretell(ctx, c, root, entry)
		return err
	})
	return id, err
}

// findAnywhere is findTyped, and in Active Directory looks outside the base DNs
// too: whoever logs in from there is proven and not found.
func (d *Directory) findAnywhere(ctx context.Context, c *conn, root rootDSE, name identity.Name) (*ldap.Entry, error) {
	e, err := d.findTyped(ctx, c, root, name)
	if err == nil && e == nil && root.ad && len(d.bases) > 0 {
		var outside []*ldap.Entry
		outside, err = c.search(ctx, root.base, ldap.ScopeWholeSubtree, "("+d.loginAttribute(root)+"="+ldap.EscapeFilter(name.User)+")", 2, d.reading.account...)
		if err == nil && len(outside) == 1 {
			e = outside[0]
		}
	}
	if err == nil && e == nil {
		err = &identity.Error{
			Kind: identity.KindBadCredentials, Err: fmt.Errorf("no account has this log-in name under %s", strings.Join(d.basesOf(root), " or ")),
			Hint: "the log-in name (" + d.loginAttribute(root) + " or UPN) is not the display name; or the service account may not read the account",
		}
	}
	return e, err
}

// foretell makes the identity that a log-in of the account would have, as far as
// that can be seen without one.
func (d *Directory) foretell(ctx context.Context, c *conn, root rootDSE, entry *ldap.Entry) (*identity.Identity, error) {
	if kind, ok := standing(entry, d.now()); !ok {
		return nil, &identity.Error{Kind: kind, Server: c.server.url.Addr(), Err: errors.New("the account cannot log in"), Hint: "mend the account"}
	}
	sid, err := sidOf(entry)
	if err != nil {
		return nil, err
	}
	id, err := d.identify(ctx, c, root, person{entry: entry, sid: sid}, "lookup")
	if err != nil || sid.IsZero() || !d.nested() {
		return id, err // no token counts there
	}
	return d.carry(ctx, c, root, everybody, id)
}

// everybody holds what each log-in shows, [MS-DTYP] 2.4.2.4.
var everybody = identity.New(identity.Account{Groups: []identity.Group{{SID: identity.SIDEveryone}, {SID: identity.SIDAuthenticatedUsers}}}, policy.FoldDN)
