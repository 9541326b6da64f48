package caddyfile

import (
	"slices"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// Whoever writes a word in the wrong block is told which is the right one, of
// every word and every block.
func TestEveryWordBelongs(t *testing.T) {
	for _, here := range rooms() {
		if here.behind {
			continue
		}
		for _, there := range rooms() {
			for _, word := range there.words {
				if slices.Contains(here.words, word) || there.tree == globalBlock && here.root() != globalBlock || word == "attribute" {
					continue
				}
				if got := belongs(word, here.name); !strings.Contains(got, "belongs") && !strings.Contains(got, accountUsage) {
					t.Errorf("%s in %s: got %q, want where it belongs", word, here.name, got)
				}
			}
		}
	}
}

func TestBelongs(t *testing.T) {
	for _, test := range []struct{ word, in, want string }{
		{"store", "windows_auth", ": it belongs into the block windows_auth among the global options"},
		{"session", globalBlock, ": it belongs into the site's block windows_auth"},
		{"size", "store redis", ": it belongs into the block store memory, on a line of its own"},
		{"cookie", "login", ": it belongs into the block session, on a line of its own"},
		{"cookie", "ldap", ": it belongs into the block session of the site's windows_auth, on a line of its own"},
		{"throttle", "totp", ": it belongs into the site's block windows_auth"},
		{"ttl", "totp", ": it belongs into the block session, or cache of the directory, on a line of its own"},
		{"size", "ldap", ": it belongs into the block cache or pool, on a line of its own"},
		{"ttl", "ldap", ": it belongs into the block cache, on a line of its own"},
		{"totp", "ldap", ": it belongs into the site's block windows_auth"},
		{"service_account", "session", ": it belongs into the directory's own block"},
		{"role", "windows_auth", ": it belongs behind require, as require role <role>…"},
		{"session", "any", ": it belongs into the site's block windows_auth"},
		{"tls", "any", ": it belongs into the directory's own block; or is a } missing before it?"},
		{"keytab", "ldap", ": it belongs behind verify, as verify keytab <file>, or into the block service_account kerberos, on a line of its own"},
		{"password", "login", ""},
		{"attribute", "ldap", ""},
		{"cache", "require", ""},
		{"ttl", "sso", ""},
	} {
		if got := belongs(test.word, test.in); got != test.want {
			t.Errorf("%s in %s: got %q, want %q", test.word, test.in, got, test.want)
		}
	}
}

func TestIsDirective(t *testing.T) {
	for name, want := range map[string]bool{
		"windows_auth": true, "require": true, "reverse_proxy": true, "tls": true, "file_server": true,
		"base_dn": false, "usernme": false, "": false, "order": false, "respond last": false, "{": false, "}": false,
	} {
		if got := isDirective(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

// A directive left inside a block for want of a } is no slip of the pen.
func TestDirectivesAreNotMistyped(t *testing.T) {
	for _, name := range []string{
		"respond", "reverse_proxy", "handle", "handle_path", "route", "root", "file_server", "encode", "header", "log", "redir",
		"rewrite", "templates", "php_fastcgi", "basic_auth", "request_header", "uri", "error", "vars", "map",
	} {
		if got := meant(name, "windows_auth", handlerWords().list()); !strings.HasSuffix(got, "is a } missing before it?") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
