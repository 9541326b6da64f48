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
	groups  []string // read of groups
	print   string   // tells what two configurations find out of an account apart
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
	d.reading.groups = withName(slices.Clip(groupAttributes), d.groupNames(true))
	d.settleReading()
	d.setPrint()
}

// settleReading lists what is read. Where a token does not tell of groups, an
// account's memberOf tells of those that no search shows.
func (d *Directory) settleReading() {
	d.reading.settle(d.mapping.attributes())
	if !d.nested() {
		d.reading.names = withName(d.reading.names, "memberOf")
	}
}

func (r *reading) settle(mapped []string) {
	r.names, r.account = slices.Clip(nameAttributes), slices.Clip(accountAttributes)
	for _, name := range slices.Concat(r.shown, mapped, r.login, r.groups) {
		r.names, r.account = withName(r.names, name), withName(r.account, name)
	}
}

// setPrint settles which identities of the cache serve: those that know all that
// rules and forwarded headers ask about, in whichever order the sites are read.
// Roles come of the map, which is among the directory's own settings.
func (d *Directory) setPrint() {
	shown, filters := make([]string, len(d.reading.shown)), make([]string, len(d.filters))
	for i, name := range d.reading.shown {
		shown[i] = strings.ToLower(name)
	}
	for i, f := range d.filters {
		filters[i] = f.text
	}
	slices.Sort(shown)
	slices.Sort(filters)
	d.reading.print = fmt.Sprintf("%t %q %q", d.reading.details, shown, filters)
}

// withName adds the name of an attribute that is not there.
func withName(names []string, name string) []string {
	if slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, name) }) {
		return names
	}
	return append(names, name)
}

// wantAttributes has attributes read that a rule asks about. It is called while
// the configuration loads.
func (d *Directory) wantAttributes(names []string) {
	d.reading.shown = slices.Clip(d.reading.shown)
	for _, name := range names {
		d.reading.shown, d.reading.details = withName(d.reading.shown, name), true
	}
	d.settleReading()
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
// roles that its map makes of it; nil where nothing is asked about. Overlooked are
// the attributes that the entry has under other names.
func (d *Directory) details(e *ldap.Entry, overlooked []string) *identity.Details {
	if !d.reading.details && d.mapping == nil && len(d.filters) == 0 {
		return nil
	}
	details := &identity.Details{Attributes: make([]identity.Attribute, 0, len(d.reading.shown))}
	details.Roles, details.Unsure = d.mapping.roles(e, overlooked)
	for _, name := range d.reading.shown {
		a := readable(e, name)
		a.Partial = a.Partial || slices.Contains(overlooked, strings.ToLower(name))
		details.Attributes = append(details.Attributes, a)
	}
	return details
}

// untold are the details of somebody whose entry nobody has read: of attributes and
// roles nothing is known, but for the display name, where it is.
func (d *Directory) untold(display string) *identity.Details {
	details := new(identity.Details)
	if d.mapping != nil {
		details.Unsure = d.mapping.from(0)
	}
	for _, name := range d.reading.shown {
		a := identity.Attribute{Name: name, Partial: true}
		if display != "" && strings.EqualFold(name, "displayName") {
			a.Values, a.Partial = []string{display}, false
		}
		details.Attributes = append(details.Attributes, a)
	}
	return details
}

// readable is an attribute with those of its values that are text. What is none, or
// holds control characters, has no place in a header or a rule.
func readable(e *ldap.Entry, name string) identity.Attribute {
	a := identity.Attribute{Name: name, Partial: hasOptions(e, name)}
	for _, value := range e.GetEqualFoldAttributeValues(name) {
		if len(a.Values) == maxValues || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			a.Partial = true
			continue
		}
		a.Values = append(a.Values, value)
	}
	return a
}

// hasOptions reports whether an entry shows values of an attribute under options,
// RFC 4512 2.5: a range, where a controller shows only the first of them ([MS-ADTS]
// 3.1.1.3.1.3.3), or a language. They are not read.
func hasOptions(e *ldap.Entry, name string) bool {
	return slices.ContainsFunc(e.Attributes, func(a *ldap.EntryAttribute) bool {
		shown, _, options := strings.Cut(a.Name, ";")
		return options && strings.EqualFold(shown, name)
	})
}
