package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// maxSecrets is how many values are handed on: more than anybody may have, so that too
// many are seen to be too many.
const maxSecrets = 16

// Conceal implements identity.FactorSource.
func (d *Directory) Conceal(attribute string) error {
	switch {
	case !identity.CheckAttribute(attribute):
		return fmt.Errorf("%q is not the name of an LDAP attribute", attribute)
	case d.service == nil:
		return fmt.Errorf("directory %s has no service_account, which alone may read the secrets: users must not", d.name)
	case hasName(d.reading.account, attribute):
		return fmt.Errorf("directory %s reads the attribute %s for other purposes, %s, by which a secret would come to light: keep the secrets in an attribute that nothing else names", d.name, attribute, d.namedIn(attribute))
	}
	d.concealed = withName(d.concealed, attribute)
	return nil
}

func hasName(names []string, name string) bool {
	return slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, name) })
}

// EnrolmentOf implements identity.FactorSource.
func (d *Directory) EnrolmentOf(ctx context.Context, name identity.Name, attribute string) (identity.Enrolment, error) {
	return d.enrolment(ctx, attribute, func(ctx context.Context, c *conn, root rootDSE) (*ldap.Entry, error) {
		return d.meant(ctx, c, root, name)
	})
}

// Enrolment implements identity.FactorSource.
func (d *Directory) Enrolment(ctx context.Context, id *identity.Identity, attribute string) (identity.Enrolment, error) {
	return d.enrolment(ctx, attribute, func(ctx context.Context, c *conn, root rootDSE) (*ldap.Entry, error) {
		e, err := d.again(ctx, c, root, id)
		if err == nil && e == nil {
			err = identity.Fail(identity.KindNotFound, errors.New("the account is gone"))
		}
		if err == nil {
			err = sameEntry(e, id.UUID)
		}
		return e, err
	})
}

// enrolment reads the attribute of the entry that find finds. Where there is none it
// reads that of an entry that is nobody's, so that the answer comes no sooner.
func (d *Directory) enrolment(ctx context.Context, attribute string, find func(context.Context, *conn, rootDSE) (*ldap.Entry, error)) (found identity.Enrolment, err error) {
	if d.service == nil {
		return found, &identity.Error{Kind: identity.KindServiceAccount, Err: errors.New("there is no service account that could read the secrets of second factors"), Hint: "write a service_account line"}
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	err = d.service.do(ctx, func(c *conn, root rootDSE) error {
		found = identity.Enrolment{}
		owner, err := find(ctx, c, root)
		if err != nil {
			return err
		}
		dn := d.basesOf(root)[0]
		if owner != nil {
			dn = owner.DN
		}
		e, err := c.entry(ctx, dn, attribute)
		if err != nil || e == nil || owner == nil {
			return err
		}
		if found.Account, err = accountKey(owner); err != nil {
			return err
		}
		for _, value := range e.GetEqualFoldAttributeValues(attribute) {
			if len(found.Secrets) < maxSecrets {
				found.Secrets = append(found.Secrets, identity.NewSecret(value))
			}
		}
		return nil
	})
	return found, err
}

// accountKey is AccountKey of the identity that an entry becomes.
func accountKey(e *ldap.Entry) (string, error) {
	sid, err := sidOf(e)
	if err != nil {
		return "", err
	}
	return identity.New(identity.Account{SID: sid, UUID: uuidOf(e), DN: e.DN}, policy.FoldDN).AccountKey(), nil
}

// meant is the entry that a password of somebody with this name would be tried at; nil
// where that is nobody, or nobody alone, which the verifier says.
func (d *Directory) meant(ctx context.Context, c *conn, root rootDSE, name identity.Name) (*ldap.Entry, error) {
	form, err := d.bindForm(ctx)
	if err != nil {
		return nil, err
	}
	var e *ldap.Entry
	if form == bindDirect || form == bindSearch {
		e, err = d.findTyped(ctx, c, root, name)
	} else {
		e, err = d.meantByDN(ctx, c, name)
	}
	if err != nil && identity.KindOf(err).AboutAccount() {
		return nil, nil
	}
	return e, err
}

// meantByDN is meant where the name leads to DNs without a search.
func (d *Directory) meantByDN(ctx context.Context, c *conn, name identity.Name) (*ldap.Entry, error) {
	targets, err := d.possible(name)
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		if e, err := c.entry(ctx, target.name, d.reading.account...); e != nil || err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidDNSyntax) {
			return e, err
		}
	}
	return nil, nil
}

var _ identity.FactorSource = (*Directory)(nil)
