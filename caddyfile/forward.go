package caddyfile

import "github.com/caddy-ntlm/caddy-ntlm/caddyntlm"

const forwardUsage = "forward <Header> <value>"

// addForward reads a header for the application.
func addForward(a *handler, l line) error {
	f := caddyntlm.Forward{Header: l.args[0].Text, Value: l.args[1].Text}
	a.Forward = append(a.Forward, f)
	if err := caddyntlm.CheckForward(a.Forward); err != nil {
		return errorAt(l.args[0], "%w", err)
	}
	return nil
}
