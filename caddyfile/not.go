package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// isNot says of an unquoted token that its writer means to keep people out. As a
// name it would let them in: group not Staff is the groups not and Staff.
func isNot(t caddyfile.Token) bool {
	return !t.Quoted() && (strings.EqualFold(t.Text, "not") || strings.HasPrefix(t.Text, "!"))
}

// keepOut says how people are kept out.
func keepOut(at caddyfile.Token) error {
	return errorAt(at, "%s keeps nobody out here: write require all { … } with valid-user in it and none { … }, whose lines say who stays out; and quotes around a name that begins so", short(at.Text))
}
