package caddyldap

import "fmt"

// Where a rule or a header names an attribute, for errors.
const (
	byRule    = "a rule asks about it (require attribute …)"
	byForward = "a forwarded header shows it ({http.auth.user.attr.…})"
)

// checkConcealed refuses to show attributes that hold secrets, and says which word
// would.
func (d *Directory) checkConcealed(names []string, by string) error {
	for _, name := range names {
		if hasName(d.concealed, name) {
			return fmt.Errorf("the attribute %s holds the secrets of second factors, as a line totp says, and must not be named elsewhere: %s", name, by)
		}
	}
	return nil
}

// NamedIn says which line of the directory's own names an attribute, nothing where none
// does.
func (d *Directory) NamedIn(attribute string) string {
	one := []string{attribute}
	switch {
	case hasName(d.Attributes, attribute):
		return "in the line attributes"
	case d.User != nil && hasName(one, d.User.Attribute):
		return "as the attribute of the block user"
	case d.Group != nil && hasName(one, d.Group.Attribute):
		return "as the attribute of the block group"
	case d.Map == nil:
		return ""
	}
	for _, l := range d.Map.Lines {
		if hasName(one, l.Attribute) {
			return "in the block map"
		}
	}
	return ""
}

// namedIn says it of all that names attributes, once the directory has been told what
// rules and headers want.
func (d *Directory) namedIn(attribute string) string {
	where := d.NamedIn(attribute)
	switch {
	case where != "":
		return where
	case hasName(d.asked.Attributes, attribute):
		return byRule
	case hasName(d.asked.Forwarded, attribute):
		return byForward
	}
	return "as it does of every account"
}
