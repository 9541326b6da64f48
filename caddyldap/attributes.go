package caddyldap

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// defaultAttributes become placeholders where the configuration names none. They
// are among an account's names, so that most identities need no details.
var defaultAttributes = []string{"displayName", "mail"}

// maxValues is how many values of an attribute are kept: a list of a person's
// roles or telephones is short, and an entry must not decide what we hold.
const maxValues = 100

// reading is what is asked of accounts beyond the names and the standing that
// every log-in needs. It is settled before the directory starts.
type reading struct {
	login   []string // the attribute of log-in names, where it is not the usual one
	shown   []string // become attributes of the identity
	details bool     // more is shown than the default
	names   []string // read of whoever is in a security context
	account []string // read of an account that is looked up
}

// setReading puts the configured attributes beside those always read.
func (d *Directory) setReading() {
	d.mapping, _ = d.Map.compile() // CheckStatic has read it before
	d.reading.shown, d.reading.details = d.Attributes, len(d.Attributes) > 0
	if d.User != nil && d.User.Attribute != "" {
		d.reading.login = []string{d.User.Attribute}
	}
	if !d.reading.details {
		d.reading.shown = defaultAttributes
	}
	d.reading.settle(d.mapping.attributes())
}

func (r *reading) settle(mapped []string) {
	r.names, r.account = slices.Clip(nameAttributes), slices.Clip(accountAttributes)
	for _, name := range slices.Concat(r.shown, mapped, r.login) {
		r.names, r.account = withName(r.names, name), withName(r.account, name)
	}
}

// withName adds the name of an attribute that is not there.
func withName(names []string, name string) []string {
	if slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, name) }) {
		return names
	}
	return append(names, name)
}

// want has attributes read that a rule asks about. It is called while the
// configuration loads.
func (d *Directory) want(names []string) {
	d.reading.shown = slices.Clip(d.reading.shown)
	for _, name := range names {
		d.reading.shown, d.reading.details = withName(d.reading.shown, name), true
	}
	d.reading.settle(d.mapping.attributes())
}

func (d *Directory) checkAttributes() error {
	for i, name := range d.Attributes {
		if !identity.CheckAttribute(name) {
			return fmt.Errorf("attributes: %q is not the name of an LDAP attribute such as department", name)
		}
		if slices.ContainsFunc(d.Attributes[:i], func(other string) bool { return strings.EqualFold(other, name) }) {
			return fmt.Errorf("attributes: %s stands there twice", name)
		}
	}
	return nil
}

// details are the attributes of an entry that the configuration names, and the
// roles that its map makes of it.
func (d *Directory) details(e *ldap.Entry) *identity.Details {
	if !d.reading.details && d.mapping == nil {
		return nil
	}
	details := &identity.Details{
		Attributes: make([]identity.Attribute, 0, len(d.reading.shown)), Roles: d.mapping.roles(e),
		RolesOpen: slices.ContainsFunc(d.mapping.attributes(), func(name string) bool { return inParts(e, name) }),
	}
	for _, name := range d.reading.shown {
		values, more := readable(e, name)
		details.Attributes = append(details.Attributes, identity.Attribute{Name: name, Values: values, More: more})
	}
	return details
}

// readable are the values of an attribute that are text, and whether there are
// more. What is no text, or holds control characters, has no place in a header or
// a rule.
func readable(e *ldap.Entry, name string) (values []string, more bool) {
	for _, value := range e.GetEqualFoldAttributeValues(name) {
		switch {
		case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		case len(values) == maxValues:
			return values, true
		default:
			values = append(values, value)
		}
	}
	return values, inParts(e, name)
}

// inParts reports whether a controller has shown the first of very many values
// alone, as an attribute of the name with a range, [MS-ADTS] 3.1.1.3.1.3.3.
func inParts(e *ldap.Entry, name string) bool {
	return slices.ContainsFunc(e.Attributes, func(a *ldap.EntryAttribute) bool {
		const option = ";range="
		return len(a.Name) > len(name)+len(option) && strings.EqualFold(a.Name[:len(name)], name) && strings.EqualFold(a.Name[len(name):len(name)+len(option)], option)
	})
}
