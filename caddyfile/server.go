package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

var serverUsage = "server <url|host>…, or " + blockUsage("server <url|host>", "server_name <name>")

// serverWords are the lines of a server's own block.
func serverWords() words[caddyldap.Server] {
	return words[caddyldap.Server]{
		"server_name": {usage: "server_name <name>", least: 1, most: 1, parse: func(s *caddyldap.Server, l line) error {
			s.ServerName = l.args[0].Text
			return nil
		}},
	}
}

func readServer(d *directory, l line) error {
	if err := checkSpaces(l.args); err != nil {
		return err
	}
	for _, arg := range l.args {
		if err := d.addServer(arg); err != nil {
			return err
		}
	}
	if l.block == nil {
		return nil
	}
	if len(l.args) > 1 {
		return errorAt(l.word, "a block after %d servers: it holds for one, so write one server a line", len(l.args))
	}
	return serverWords().read(&d.Server[len(d.Server)-1], "server", l.block)
}

// addServer takes one URL or host.
func (d *directory) addServer(arg caddyfile.Token) error {
	if hasSeparator(arg.Text) {
		return errorAt(arg, "a comma among the servers: separate the URLs by spaces")
	}
	if _, err := caddyldap.ParseServer(arg.Text); err != nil {
		if strings.Contains(arg.Text, "@") {
			return errorAt(arg, "not a server, and not repeated here because a password may be in it: an account goes to service_account, a server is ldaps://<host>")
		}
		return errorAt(arg, "%w", err)
	}
	d.Server = append(d.Server, caddyldap.Server{URL: arg.Text})
	d.servers = append(d.servers, arg)
	return nil
}

// hasSeparator says that a comma, one outside the base DN, ends a server or
// stands between two. Where a password may be it looks for none.
func hasSeparator(text string) bool {
	if strings.Contains(text, "@") {
		return false
	}
	text = strings.ToLower(text)
	if strings.HasSuffix(text, ",") || strings.Contains(text, ",ldap://") || strings.Contains(text, ",ldaps://") {
		return true
	}
	_, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		rest = text
	}
	authority, _, _ := strings.Cut(rest, "/")
	return strings.Contains(authority, ",")
}
