package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

const forwardUsage = "forward <Header> <value>"

// addForward reads a header for the application.
func addForward(a *handler, l line) error {
	f := caddyntlm.Forward{Header: l.args[0].Text, Value: l.args[1].Text}
	if err := checkPlaceholders(l.args[1]); err != nil {
		return err
	}
	a.Forward = append(a.Forward, f)
	if err := caddyntlm.CheckForward(a.Forward); err != nil {
		return errorAt(l.args[0], "%w", err)
	}
	return nil
}

// checkPlaceholders refuses a placeholder about the user that does not exist, and
// lists those that do.
func checkPlaceholders(value caddyfile.Token) error {
	for _, word := range caddyntlm.UnknownPlaceholders(value.Text) {
		known := caddyntlm.Placeholders()
		guess := ""
		if near := nearest(word, known); near != "" {
			guess = ", did you mean {http.auth.user." + near + "}?"
		}
		return errorAt(value, "forward: the placeholder {http.auth.user.%s} does not exist%s (known after http.auth.user.: %s)", short(word), guess, strings.Join(known, ", "))
	}
	return nil
}
