package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// BindAs says how a typed name becomes the name that a password is tried with.
type BindAs struct {
	// template, absolute, relative, direct or search.
	Form string `json:"form"`
	// With template, a DN in which {user} stands for the typed name.
	Template string `json:"template,omitempty"`
}

// User says how accounts are found.
type User struct {
	// The attribute that holds log-in names. Default: sAMAccountName in Active
	// Directory, uid elsewhere.
	Attribute string `json:"attribute,omitempty"`
	// An LDAP filter that every account must fit, however it logs in.
	Filter string `json:"filter,omitempty"`
	// What is added to bare names before a bind, such as @example.com.
	Suffix string `json:"suffix,omitempty"`
}

// The forms of BindAs.
const (
	bindTemplate = "template"
	bindAbsolute = "absolute"
	bindRelative = "relative"
	bindDirect   = "direct"
	bindSearch   = "search"

	placeUser = "{user}"
)

// CheckBindAs is the part of CheckStatic about bind_as.
func (d *Directory) CheckBindAs() error {
	b := d.BindAs
	if b == nil {
		return nil
	}
	switch b.Form {
	case bindTemplate:
		return b.checkTemplate()
	case bindRelative:
		if len(d.BaseDN) == 0 && len(d.urlBases()) == 0 {
			return errors.New("bind_as relative: to which base? write base_dn ou=people,dc=example,dc=com")
		}
	case bindSearch:
		if d.ServiceAccount == nil {
			return errors.New("bind_as search: who searches? write a service_account line")
		}
	case bindAbsolute, bindDirect:
	default:
		return fmt.Errorf("bind_as %s: unknown; known: template, absolute, relative, direct, search", b.Form)
	}
	return nil
}

// checkTemplate lets {user} stand only where a name is escaped for: inside the
// values of a DN. In the place of an attribute or of a whole RDN whoever logs in
// would choose more of the DN than his name.
func (b *BindAs) checkTemplate() error {
	const cure = "write bind_as template uid={user},ou=people,dc=example,dc=com"
	if !strings.Contains(b.Template, placeUser) {
		return fmt.Errorf("bind_as template %s: not a DN with {user} in it; %s", b.Template, cure)
	}
	const name = "xuserx" // neither hexadecimal nor the name of an attribute
	parsed, err := ldap.ParseDN(strings.ReplaceAll(b.Template, placeUser, name))
	inValues := 0
	if err == nil {
		for _, rdn := range parsed.RDNs {
			for _, part := range rdn.Attributes {
				inValues += strings.Count(part.Value, name)
			}
		}
	}
	if inValues != strings.Count(b.Template, placeUser) {
		return fmt.Errorf("bind_as template %s: {user} stands for the value of an attribute alone, in a DN; %s", b.Template, cure)
	}
	return nil
}

func (d *Directory) checkUser() error {
	u := d.User
	switch {
	case u == nil:
	case u.Attribute != "" && !identity.CheckAttribute(u.Attribute):
		return fmt.Errorf("user: attribute %q is not the name of an LDAP attribute such as uid", u.Attribute)
	case u.Suffix != "" && d.BindAs != nil && d.BindAs.Form != bindDirect:
		return fmt.Errorf("user: suffix %s has no use: bind_as %s does not bind by a bare name", u.Suffix, d.BindAs.Form)
	case u.Filter != "":
		if _, err := ldap.CompileFilter(u.Filter); err != nil {
			return fmt.Errorf("user: filter %s is no LDAP filter such as (objectClass=person): %w", u.Filter, err)
		}
	}
	return nil
}

// bindTarget is a name to bind with.
type bindTarget struct {
	name  string
	dn    bool // a DN, of the account that a yes proves
	found bool // of an account that is there
}

// bindTargets are the names to try a typed name's password with, in order.
func (d *Directory) bindTargets(ctx context.Context, n identity.Name) ([]bindTarget, error) {
	form, err := d.bindForm(ctx)
	if err != nil {
		return nil, err
	}
	switch form {
	case bindDirect:
		return d.direct(ctx, n)
	case bindSearch:
		return d.searched(ctx, n)
	}
	targets, err := d.possible(n)
	if err == nil && len(targets) > 1 && d.service != nil {
		return d.firstThere(ctx, targets)
	}
	return targets, err
}

// possible are the DNs that a typed name may lead to, where the form of binding makes DNs
// of names without asking anybody.
func (d *Directory) possible(n identity.Name) ([]bindTarget, error) {
	switch d.BindAs.Form {
	case bindAbsolute:
		return d.absolute(n.String())
	case bindRelative:
		return d.relative(n.String())
	}
	user, err := d.ownUser(n)
	return []bindTarget{{name: strings.ReplaceAll(d.BindAs.Template, placeUser, ldap.EscapeDN(user)), dn: true}}, err
}

// direct takes a typed name as it is. What looks like a domain before a backslash may
// be the beginning of a DN in which a letter is escaped, as it likes: Active Directory
// takes that for the account, and nobody is let in by it, since it names no domain of
// ours. So nobody is asked.
func (d *Directory) direct(ctx context.Context, n identity.Name) ([]bindTarget, error) {
	if strings.Contains(n.Domain, "=") && !d.isOwn(n.Domain) {
		switch active, err := d.isActive(ctx); {
		case err != nil:
			return nil, err
		case active:
			return nil, d.foreign(n.Domain)
		}
	}
	return []bindTarget{{name: d.directName(n)}}, nil
}

// bindForm is the configured form. Without one names are searched where a
// service account can and the server is no Active Directory, which alone takes
// other names than DNs.
func (d *Directory) bindForm(ctx context.Context) (string, error) {
	if d.BindAs != nil {
		return d.BindAs.Form, nil
	}
	if d.service == nil {
		return bindDirect, nil
	}
	if active, err := d.isActive(ctx); err != nil || active {
		return bindDirect, err
	}
	return bindSearch, nil
}

func (d *Directory) directName(n identity.Name) string {
	if _, _, isUPN := n.UPN(); !isUPN && n.Domain == "" && d.User != nil && d.User.Suffix != "" {
		return n.User + d.User.Suffix
	}
	return bindName(n, d.netBIOS(), d.dns())
}

// ownUser is the user part of a name of this directory.
func (d *Directory) ownUser(n identity.Name) (string, error) {
	if n.Domain != "" && !d.isOwn(n.Domain) {
		return "", d.foreign(n.Domain)
	}
	return n.User, nil
}

// absolute takes a typed name for a DN under one of the base DNs.
func (d *Directory) absolute(typed string) ([]bindTarget, error) {
	if checkDN(typed) != nil {
		return nil, identity.Fail(identity.KindBadCredentials, errors.New("bind_as absolute, and the typed name is no DN"))
	}
	if err := d.within(typed); err != nil {
		return nil, err
	}
	return []bindTarget{{name: typed, dn: true}}, nil
}

// relative takes a typed name for the beginning of a DN, below each base DN.
func (d *Directory) relative(typed string) ([]bindTarget, error) {
	if checkDN(typed) != nil {
		return nil, identity.Fail(identity.KindBadCredentials, errors.New("bind_as relative, and the typed name is no part of a DN such as cn=alice"))
	}
	targets := make([]bindTarget, len(d.bases))
	for i, base := range d.bases {
		targets[i] = bindTarget{name: typed + "," + base, dn: true}
	}
	return targets, nil
}

// bindByName tries a password with each target until one is right. A wrong one
// goes on to the next; all that was tried is in the last error.
func (d *Directory) bindByName(ctx context.Context, targets []bindTarget, password identity.Secret, bind binder) (*conn, bindTarget, error) {
	var all []error
	for _, target := range targets {
		c, took, err := bind(ctx, target.name, password)
		if target.found && (err == nil || identity.KindOf(err).AboutAccount()) {
			d.pace.note(took, err != nil)
		}
		if err == nil {
			return c, target, nil
		}
		if identity.KindOf(err) != identity.KindBadCredentials || len(targets) == 1 {
			return nil, target, err
		}
		all = append(all, fmt.Errorf("%.300q: %w", target.name, err))
	}
	return nil, bindTarget{}, identity.Fail(identity.KindBadCredentials, errors.Join(all...))
}

// fits checks that an account fits the configured filter, by asking its own
// entry.
func (d *Directory) fits(ctx context.Context, c *conn, dn string) error {
	if d.User == nil || d.User.Filter == "" {
		return nil
	}
	entries, err := c.search(ctx, dn, ldap.ScopeBaseObject, d.User.Filter, 1, "1.1")
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return err
	}
	if len(entries) == 0 {
		return &identity.Error{
			Kind: identity.KindNotFound, Err: fmt.Errorf("%.512q does not fit the filter %s", dn, d.User.Filter),
			Hint: "if this account should be let in, change filter in the block user",
		}
	}
	return nil
}
