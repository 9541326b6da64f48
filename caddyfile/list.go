package caddyfile

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/go-ldap/ldap/v3"
)

// readList reads the names after a word, by the comma rule. A quoted argument
// is a name as it stands. An argument with an equals sign is a distinguished
// name and keeps its commas. Any other comma makes commas the only separator:
//
//	group Administrators "Power Users"   two groups
//	group Administrators,Power Users     the same two
//	group CN=HR,DC=example,DC=com        one group
//
// A distinguished name with spaces must be quoted. Unquoted it falls apart into
// arguments, some of which may be names in their own right (CN=Domain Users),
// so what may be the rest of one is refused rather than guessed at.
func readList(l line) ([]string, error) {
	pieces, err := readPieces(l)
	if err != nil {
		return nil, err
	}
	return joinNames(pieces)
}

// readPieces takes the arguments apart.
func readPieces(l line) ([]piece, error) {
	var pieces []piece
	for _, arg := range l.args {
		if isNot(arg) {
			return nil, keepOut(arg)
		}
		found, err := split(arg)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, found...)
	}
	if err := checkWords(l, pieces); err != nil {
		return nil, err
	}
	return pieces, checkDNs(pieces)
}

// joinNames makes the names of the pieces.
func joinNames(pieces []piece) ([]string, error) {
	if slices.ContainsFunc(pieces, func(p piece) bool { return p.kind == comma }) {
		return joinAtCommas(pieces)
	}
	names := make([]string, len(pieces))
	for i, p := range pieces {
		names[i] = p.text
	}
	return names, nil
}

type kind uint8

const (
	plain kind = iota
	quoted
	dn
	comma
)

// piece is a part of a list: a name, a part of one, or a separator.
type piece struct {
	kind
	text string
	at   caddyfile.Token
	// ends says that no more of a distinguished name can follow.
	ends bool
}

// split takes an argument apart at its separating commas.
func split(arg caddyfile.Token) ([]piece, error) {
	if arg.Quoted() {
		return []piece{{kind: quoted, text: arg.Text, at: arg}}, nil
	}
	if strings.Contains(arg.Text, `"`) {
		return nil, errorAt(arg, "a quote inside the argument %s: quotes enclose a whole argument, write a space before the first one", short(arg.Text))
	}
	if strings.Contains(arg.Text, "=") {
		return splitDN(arg)
	}
	var pieces []piece
	for i, text := range strings.Split(arg.Text, ",") {
		if i > 0 {
			pieces = append(pieces, piece{kind: comma, at: arg})
		}
		if text != "" {
			pieces = append(pieces, piece{kind: plain, text: text, at: arg})
		}
	}
	return pieces, nil
}

// splitDN takes an unquoted distinguished name, with a separating comma before
// or after it.
func splitDN(arg caddyfile.Token) ([]piece, error) {
	text, before := strings.CutPrefix(arg.Text, ",")
	text, after := strings.CutSuffix(text, ",")
	parsed, err := ldap.ParseDN(text)
	if err != nil || len(parsed.RDNs) == 0 {
		return nil, errorAt(arg, "%s is not a distinguished name: one with spaces, and one between commas, must be quoted", short(arg.Text))
	}
	name := piece{kind: dn, text: text, at: arg, ends: endsInDC(parsed)}
	separator := piece{kind: comma, at: arg}
	switch {
	case before && after:
		return []piece{separator, name, separator}, nil
	case before:
		return []piece{separator, name}, nil
	case after:
		return []piece{name, separator}, nil
	}
	return []piece{name}, nil
}

// endsInDC says that a distinguished name is whole: DC=… has no spaces.
func endsInDC(name *ldap.DN) bool {
	last := name.RDNs[len(name.RDNs)-1].Attributes[0].Type
	return strings.EqualFold(last, "DC")
}

// checkDNs refuses an unquoted argument after an unquoted distinguished name
// that may go on: one that does not end in DC=….
func checkDNs(pieces []piece) error {
	for i := 1; i < len(pieces); i++ {
		before, p := pieces[i-1], pieces[i]
		if before.kind == dn && !before.ends && (p.kind == plain || p.kind == dn) {
			return errorAt(before.at, "%s %s: quote a distinguished name that has spaces, or that another argument follows", short(before.text), short(p.text))
		}
	}
	return nil
}

// joinAtCommas makes the names that stand between the commas.
func joinAtCommas(pieces []piece) ([]string, error) {
	var names []string
	start := 0
	for i, p := range pieces {
		if p.kind != comma {
			continue
		}
		if i == start {
			return nil, errorAt(p.at, "no name before a comma")
		}
		found, err := join(pieces[start:i])
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
		start = i + 1
	}
	if start == len(pieces) {
		return nil, errorAt(pieces[start-1].at, "no name after the last comma")
	}
	found, err := join(pieces[start:])
	return append(names, found...), err
}

// join makes one name of plain pieces in a row, with a space between them. A
// quoted piece is a name of its own even where no comma sets it off.
func join(pieces []piece) ([]string, error) {
	var names []string
	for i, p := range pieces {
		if i == 0 || p.kind == quoted || pieces[i-1].kind == quoted {
			names = append(names, p.text)
			continue
		}
		if p.kind == dn || pieces[i-1].kind == dn {
			return nil, errorAt(p.at, "no comma between %s and %s: quote a distinguished name that has spaces", short(pieces[i-1].text), short(p.text))
		}
		names[len(names)-1] += " " + p.text
	}
	return names, nil
}
