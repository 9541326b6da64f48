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
	a.Forward, a.forwardAt = append(a.Forward, f), append(a.forwardAt, l.word)
	if err := caddyntlm.CheckForward(a.Forward); err != nil {
		return errorAt(l.args[0], "%w", err)
	}
	return nil
}

// checkPlaceholders refuses a placeholder about the user that does not exist, and
// lists those that do.
func checkPlaceholders(value caddyfile.Token) error {
	unknown := caddyntlm.UnknownPlaceholders(value.Text)
	if len(unknown) == 0 {
		return nil
	}
	known := caddyntlm.Placeholders()
	guess := ""
	if near := nearest(unknown[0], known); near != "" {
		guess = ", did you mean {http.auth.user." + near + "}?"
	}
	return errorAt(value, "forward: the placeholder {http.auth.user.%s} does not exist%s (known after http.auth.user.: %s)",
		short(unknown[0]), guess, strings.Join(known, ", "))
}
