package caddyfile

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// missingQuotes replaces the error of a line that takes distinguished names and
// nothing else, where quotes around the ones that have spaces would mend it.
func missingQuotes(l line, err error) error {
	if names := gatherDNs(l); names != "" {
		return errorAt(l.word, "a DN with spaces must be quoted: %s %s", l.word.Text, names)
	}
	return err
}

// gatherDNs puts together the distinguished names that fell apart at their
// spaces, and writes all of them as they should be. It returns nothing where
// none fell apart, or where one would be no distinguished name.
func gatherDNs(l line) string {
	var names []string
	open := false // the name before is not whole
	for _, arg := range l.args {
		text := arg.Text
		if !arg.Quoted() {
			text = strings.ReplaceAll(text, `"`, "") // OU="Night Shift"
		}
		if open && !arg.Quoted() {
			names[len(names)-1] += " " + text
		} else {
			names = append(names, text)
		}
		parsed, err := ldap.ParseDN(names[len(names)-1])
		open = !arg.Quoted() && (err != nil || len(parsed.RDNs) == 0 || !endsInDC(parsed))
	}
	if len(names) == len(l.args) {
		return ""
	}
	for i, name := range names {
		if parsed, err := ldap.ParseDN(name); err != nil || len(parsed.RDNs) == 0 {
			return ""
		}
		if strings.Contains(name, " ") {
			names[i] = `"` + name + `"`
		}
	}
	return strings.Join(names, " ")
}
