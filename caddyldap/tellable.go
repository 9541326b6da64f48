package caddyldap

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// tellable refuses to go by what a ticket or a controller's answer tells of somebody
// where the configuration lets in some accounts of the domain alone: which those are
// only their entries show, and nobody can look those up.
func (d *Directory) tellable() error {
	refused := func(why, word string) error {
		return &identity.Error{
			Kind: identity.KindServiceAccount, Err: errors.New(why),
			Hint: "write a service_account line, so that accounts are looked up; or take " + word + " away, and let rules decide",
		}
	}
	switch {
	case d.User != nil && d.User.Filter != "":
		return refused("nobody can look up whether an account fits the filter of user", "filter")
	case len(d.bases) > 0 && !slices.ContainsFunc(d.bases, isWholeDomain):
		return refused("nobody can look up whether an account is under "+strings.Join(d.bases, " or "), "base_dn")
	}
	return nil
}

// isWholeDomain reports whether a DN is a domain's own: DC=example,DC=com.
func isWholeDomain(dn string) bool {
	parsed, err := ldap.ParseDN(dn)
	return err == nil && !slices.ContainsFunc(parsed.RDNs, func(rdn *ldap.RelativeDN) bool {
		return len(rdn.Attributes) != 1 || !strings.EqualFold(rdn.Attributes[0].Type, "DC")
	})
}
