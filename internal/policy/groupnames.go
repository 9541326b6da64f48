package policy

import "strings"

// NamedGroup is a group that a rule names otherwise than by SID, as it is
// written there.
type NamedGroup struct {
	Rule   string // the line
	Text   string // the name in it
	Domain string // of DOMAIN\name, else empty
	Name   string // without the domain; empty where the group is named by DN
	DN     string
}

// Groups lists the groups that the rule names, so that names which no directory
// has can be told of.
func (r Rule) Groups() []NamedGroup {
	var named []NamedGroup
	r.each(func(r Rule) {
		for _, text := range r.Group {
			n, err := parseName("group", text)
			if err != nil || n.form == bySID {
				continue
			}
			named = append(named, namedGroup(quoted("group", r.Group), text, n.form))
		}
	})
	return named
}

func namedGroup(rule, text string, written form) NamedGroup {
	g := NamedGroup{Rule: rule, Text: text, Name: text}
	switch written {
	case dn:
		g.DN, g.Name = text, ""
	case inDomain:
		g.Domain, g.Name, _ = strings.Cut(text, `\`)
	}
	return g
}
