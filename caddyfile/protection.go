package caddyfile

import (
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// protectionWords are the lines of a windows_auth block that hold a log-in to the
// connection and the service that its client meant.
func protectionWords() words[handler] {
	return words[handler]{
		"extended_protection": {usage: "extended_protection off|allow|require", least: 1, most: 1, parse: readExtendedProtection},
		"accept_binding":      {usage: "accept_binding <hex>…", least: 1, most: -1, many: true, parse: readAcceptBinding},
		"accept_target":       {usage: "accept_target <host>…", least: 1, most: -1, many: true, parse: readAcceptTarget},
	}
}

func readExtendedProtection(a *handler, l line) error {
	for _, word := range caddyntlm.Protections {
		if l.args[0].Text == word {
			a.ExtendedProtection = word
			return nil
		}
	}
	return unknown(l.args[0], "word", "extended_protection", caddyntlm.Protections)
}

func readAcceptBinding(a *handler, l line) error {
	for _, arg := range l.args {
		if _, err := caddyntlm.ParseBinding(arg.Text); err != nil {
			return errorAt(arg, "%w", err)
		}
		a.AcceptBinding = append(a.AcceptBinding, arg.Text)
	}
	return nil
}

func readAcceptTarget(a *handler, l line) error {
	for _, arg := range l.args {
		if err := caddyntlm.CheckTarget(arg.Text); err != nil {
			return errorAt(arg, "%w", err)
		}
		a.AcceptTarget = append(a.AcceptTarget, arg.Text)
	}
	return nil
}
