package caddyldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// loginName is an account's one log-in name, however it was typed.
func (d *Directory) loginName(e *ldap.Entry) string {
	if d.namesByAttribute() {
		return oneValue(e, d.User.Attribute)
	}
	if sam := value(e, "sAMAccountName"); sam != "" {
		return sam
	}
	return oneValue(e, "uid")
}

// oneValue is the value of an attribute by which an entry is called: the one
// in its DN, else the first in order. Servers return several values in any
// order, and nobody may be somebody else today than yesterday.
func oneValue(e *ldap.Entry, attribute string) string {
	values := e.GetEqualFoldAttributeValues(attribute)
	if len(values) == 0 {
		return ""
	}
	if dn, err := ldap.ParseDN(e.DN); err == nil && len(dn.RDNs) > 0 {
		for _, part := range dn.RDNs[0].Attributes {
			if strings.EqualFold(part.Type, attribute) && slices.Contains(values, part.Value) {
				return part.Value
			}
		}
	}
	return slices.Min(values)
}

// unmistakable refuses an account whose log-in name is not its own alone: a bind
// by DN reaches each of two that share one, and to every rule, counter and
// application they would be one person. Active Directory keeps sAMAccountName
// apart by itself, [MS-ADTS] 3.1.1.3.1.
func (d *Directory) unmistakable(ctx context.Context, c *conn, root rootDSE, e *ldap.Entry) error {
	if root.ad && !d.namesByAttribute() {
		return nil
	}
	attribute, name := d.loginAttribute(root), d.loginName(e)
	filter := "(" + attribute + "=" + ldap.EscapeFilter(name) + ")"
	if !d.namesByAttribute() && value(e, "sAMAccountName") != "" { // its name, and it must not be another's uid
		attribute, filter = "sAMAccountName", "(|(sAMAccountName="+ldap.EscapeFilter(name)+")"+filter+")"
	}
	if name == "" {
		return &identity.Error{
			Kind: identity.KindNotFound, Err: fmt.Errorf("%.512q has no %s to be called by", e.DN, attribute),
			Hint: "whoever searches may not read it, or attribute in the block user should name another one",
		}
	}
	found, err := d.findBy(ctx, c, root, filter)
	if d.service == nil && (found == nil && err == nil || isResult(err)) {
		return nil // a person's own rights seldom reach the others, and what cannot be seen cannot be compared
	}
	if err != nil {
		return err
	}
	if found == nil || identity.Fold(found.DN) != identity.Fold(e.DN) {
		return &identity.Error{
			Kind: identity.KindAmbiguous, Err: fmt.Errorf("%s %.128q is not the name of %.512q alone", attribute, name, e.DN),
			Hint: "two accounts share a log-in name and neither gets in by it: rename one, or leave one out by base_dn",
		}
	}
	return nil
}
