package caddyfile

import (
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

var mapUsage = blockUsage("map", "fallback <role>…", "<attribute> <expression> <role>…")

// readAttributes reads names of LDAP attributes, which hold neither commas nor
// spaces.
func readAttributes(d *directory, l line) error {
	for _, arg := range l.args {
		if strings.Contains(arg.Text, ",") {
			return errorAt(arg, "attributes are separated by spaces, without commas: write %s", strings.ReplaceAll(arg.Text, ",", " "))
		}
		if err := checkAlone(arg, &caddyldap.Directory{Attributes: []string{arg.Text}}); err != nil {
			return err
		}
		d.Attributes = append(d.Attributes, arg.Text)
	}
	return checkAlone(l.word, &caddyldap.Directory{Attributes: d.Attributes})
}

// readMap reads the lines of a map. Any word but fallback is the name of an
// attribute.
func readMap(d *directory, l line) error {
	d.Map = new(caddyldap.Map)
	for _, inner := range l.block {
		if err := readMapLine(d.Map, inner); err != nil {
			return err
		}
	}
	return checkAlone(l.word, &caddyldap.Directory{Map: d.Map})
}

func readMapLine(m *caddyldap.Map, l line) error {
	args, one := l.texts(), new(caddyldap.Map)
	switch {
	case l.block != nil:
		return errorAt(l.word, "%s takes no block: write %s", short(l.word.Text), mapUsage)
	case l.word.Text == "fallback" && m.Fallback != nil:
		return errorAt(l.word, "fallback stands twice in map: write its roles on one line")
	case l.word.Text == "fallback" && len(args) == 0:
		return errorAt(l.word, "nothing follows fallback: write fallback <role>…")
	case l.word.Text == "fallback":
		m.Fallback, one.Fallback = args, args
	case len(args) < 2:
		return errorAt(l.word, "too few arguments after %s, found %d: write <attribute> <expression> <role>…, and quote an expression that has spaces", short(l.word.Text), len(args))
	default:
		line := caddyldap.MapLine{Attribute: l.word.Text, Expression: args[0], Role: args[1:]}
		m.Lines, one.Lines = append(m.Lines, line), []caddyldap.MapLine{line}
	}
	return checkAlone(l.word, &caddyldap.Directory{Map: one})
}
