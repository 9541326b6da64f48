package caddyldap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Map gives roles to accounts by their attributes.
type Map struct {
	// Roles of whom no line fits.
	Fallback []string `json:"fallback,omitempty"`
	// Lines in order: the first that fits gives its roles.
	Lines []MapLine `json:"lines,omitempty"`
}

// MapLine is one line of a Map.
type MapLine struct {
	// Name of the LDAP attribute.
	Attribute string `json:"attribute"`
	// What one of its values must be, as a whole: a text (capitals do not
	// matter), a pattern with * and ?, or a regular expression as m/…/.
	Expression string `json:"expression"`
	// The roles it gives.
	Role []string `json:"role"`
}

// mapping is a Map made ready. A nil one gives no roles.
type mapping struct {
	fallback []string
	lines    []mapLine
	all      []string // every role that it gives
}

type mapLine struct {
	attribute string
	expression
	roles []string
}

// expression says what a value must be.
type expression struct {
	fits func(string) bool
	may  func(string) bool // a value that only resembles one that fits
}

func (d *Directory) checkMap() error {
	_, err := d.Map.compile()
	return err
}

func (m *Map) compile() (*mapping, error) {
	if m == nil {
		return nil, nil
	}
	if len(m.Fallback) == 0 && len(m.Lines) == 0 {
		return nil, errors.New("map gives no roles; write a line such as memberOf CN=Staff,* staff")
	}
	compiled := &mapping{fallback: m.Fallback}
	for _, l := range m.Lines {
		if !identity.CheckAttribute(l.Attribute) {
			return nil, fmt.Errorf("map: %q is not the name of an LDAP attribute such as department", l.Attribute)
		}
		if len(l.Role) == 0 {
			return nil, fmt.Errorf("map: %s %s gives no role", l.Attribute, l.Expression)
		}
		expression, err := parseExpression(l.Expression)
		if err != nil {
			return nil, fmt.Errorf("map: %s %s: %w", l.Attribute, l.Expression, err)
		}
		compiled.lines = append(compiled.lines, mapLine{l.Attribute, expression, l.Role})
	}
	compiled.all = slices.Concat(append([][]string{m.Fallback}, rolesOf(m.Lines)...)...)
	for _, role := range compiled.all {
		if strings.TrimSpace(role) == "" || strings.Contains(role, ",") {
			return nil, fmt.Errorf("map: %q cannot be a role: it is empty or holds a comma", role)
		}
	}
	return compiled, nil
}

func rolesOf(lines []MapLine) [][]string {
	all := make([][]string, len(lines))
	for i, l := range lines {
		all[i] = l.Role
	}
	return all
}

// parseExpression reads what a value must be. A regular expression is RE2, whose
// time is bounded by the value's length, and fits the whole value: half a match
// must not make an administrator of anybody.
func parseExpression(text string) (e expression, err error) {
	switch inner, isRegexp := strings.CutPrefix(text, "m/"); {
	case text == "":
		return e, errors.New("an empty expression, which nothing fits")
	case isRegexp && (len(inner) < 2 || !strings.HasSuffix(inner, "/")):
		return e, errors.New("a regular expression ends with a slash, m/…/, and stands in quotes where it has spaces")
	case isRegexp:
		compiled, err := regexp.Compile(`\A(?:` + strings.TrimSuffix(inner, "/") + `)\z`)
		if err != nil {
			return e, err
		}
		return expression{compiled.MatchString, func(string) bool { return false }}, nil
	case strings.ContainsAny(text, "*?"):
		exact, err := glob(`(?s)`, identity.Fold(text))
		if err != nil {
			return e, err
		}
		rough, err := glob(`(?is)`, text)
		return expression{func(value string) bool { return exact.MatchString(identity.Fold(value)) }, rough.MatchString}, err
	}
	folded := identity.Fold(text)
	return expression{
		func(value string) bool { return identity.FoldsTo(value, folded) },
		func(value string) bool { return identity.Resembles(value, text) },
	}, nil
}

func glob(flags, text string) (*regexp.Regexp, error) {
	return regexp.Compile(flags + `\A` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(text)) + `\z`)
}

// roles are those of the first line that fits an entry, else the fallback. A line
// that could not see all values, or to which one only resembles what fits, gives
// none, and neither does any after it: nobody can tell then which of them is the
// first to fit, and their roles are unsure.
func (m *mapping) roles(e *ldap.Entry, overlooked []string) (roles, unsure []string) {
	if m == nil {
		return nil, nil
	}
	for i, l := range m.lines {
		values := e.GetEqualFoldAttributeValues(l.attribute)
		if slices.ContainsFunc(values, l.fits) {
			return l.roles, nil
		}
		if hasOptions(e, l.attribute) || slices.Contains(overlooked, strings.ToLower(l.attribute)) || slices.ContainsFunc(values, l.may) {
			return nil, m.from(i)
		}
	}
	return m.fallback, nil
}

// from are the roles of a line, of those after it, and of the fallback.
func (m *mapping) from(line int) []string {
	roles := slices.Clone(m.fallback)
	for _, l := range m.lines[line:] {
		roles = append(roles, l.roles...)
	}
	return roles
}

// gives reports whether somebody may have a role by it.
func (m *mapping) gives(role string) bool {
	folded := identity.Fold(role)
	return m != nil && slices.ContainsFunc(m.all, func(known string) bool { return identity.FoldsTo(known, folded) })
}

// Gives reports whether the map could give a role to anybody.
func (m *Map) Gives(role string) bool {
	compiled, err := m.compile()
	return err == nil && compiled.gives(role)
}

func (m *mapping) attributes() []string {
	if m == nil {
		return nil
	}
	names := make([]string, len(m.lines))
	for i, l := range m.lines {
		names[i] = l.attribute
	}
	return names
}
