package identity

import (
	"slices"
	"strings"
)

// Attribute is one attribute of an account's entry, with its values in the
// directory's order.
type Attribute struct {
	Name   string // as the configuration writes it
	Values []string
	// Partial says that there are more values than these: too many, or no text.
	Partial bool
}

// Details are what the configuration asks for beyond names and groups.
type Details struct {
	Attributes []Attribute
	Roles      []string
	Unsure     []string  // roles that the account may have or not: the map could not see all values
	Fittings   []Fitting // the directory's answers about filters
}

// Attribute gives the values of an attribute, and false where it is not among
// those that the directory was asked for, which by default are displayName and
// mail. Capitals in the name do not matter, RFC 4512 2.5, and an underscore
// stands for a dash.
func (a *Account) Attribute(name string) ([]string, bool) {
	if a.Details == nil {
		return a.standard(name)
	}
	for i := range a.Details.Attributes {
		if known := &a.Details.Attributes[i]; sameAttribute(known.Name, name) {
			return known.Values, true
		}
	}
	return nil, false
}

// standard gives the attributes that every account has a field for.
func (a *Account) standard(name string) (values []string, known bool) {
	value := ""
	switch {
	case sameAttribute("displayName", name):
		value = a.DisplayName
	case sameAttribute("mail", name):
		value = a.Mail
	default:
		return nil, false
	}
	if value != "" {
		values = []string{value}
	}
	return values, true
}

func sameAttribute(known, asked string) bool {
	if len(known) != len(asked) {
		return false
	}
	for i := range len(known) {
		a, b := known[i], asked[i]
		if a != b && !(a == '-' && b == '_') && (a|0x20 != b|0x20 || !isLetter(a)) {
			return false
		}
	}
	return true
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// HasValue reports whether an attribute has a value, given folded.
func (a *Account) HasValue(name, folded string) bool {
	values, _ := a.Attribute(name)
	return slices.ContainsFunc(values, func(value string) bool { return FoldsTo(value, folded) })
}

// Roles are those that the configuration gives to the account.
func (a *Account) Roles() []string {
	if a.Details == nil {
		return nil
	}
	return a.Details.Roles
}

// HasRole reports whether the account has a role, given folded.
func (a *Account) HasRole(folded string) bool {
	return slices.ContainsFunc(a.Roles(), func(role string) bool { return FoldsTo(role, folded) })
}

// AskedAttribute reports whether the directory was asked for an attribute at all.
func (a *Account) AskedAttribute(name string) bool {
	_, asked := a.Attribute(name)
	return asked
}

// KnowsValues reports whether the account's values of an attribute are all known.
// One that the directory does not show counts as known to be absent.
func (a *Account) KnowsValues(name string) bool {
	if a.Details != nil {
		for i := range a.Details.Attributes {
			if known := &a.Details.Attributes[i]; sameAttribute(known.Name, name) {
				return !known.Partial
			}
		}
		return false
	}
	_, known := a.standard(name)
	return known
}

// KnowsRole reports whether it is known if the account has a role, given folded. One
// that the directory's map does not give it has not.
func (a *Account) KnowsRole(folded string) bool {
	return a.Details == nil || !slices.ContainsFunc(a.Details.Unsure, func(role string) bool { return FoldsTo(role, folded) })
}

// CheckAttribute refuses what is no name of an attribute: letters, digits and
// dashes after a letter, RFC 4512 1.4 (keystring), or numbers and dots (numericoid).
// Options, which begin with a semicolon, choose among values and are refused.
func CheckAttribute(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	if first := name[0]; first >= '0' && first <= '9' {
		return !strings.ContainsFunc(name, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	}
	return isLetter(name[0]) && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r > 'z' || !isLetter(byte(r)))
	})
}
