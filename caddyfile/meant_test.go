package caddyfile

import (
	"slices"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// A word of a block within is a word of each block that is named, and of no block
// outside.
func TestInnerWords(t *testing.T) {
	blocks := map[string][]string{
		"tls": tlsWords().list(), "user": userWords().list(), "group": groupWords().list(), "timeout": timeoutWords().list(),
		"cache": cacheWords().list(), "pool": poolWords().list(), "map": {"fallback"}, "service_account kerberos": accountWords().list(),
	}
	for _, word := range throttleWords().list() {
		if got := inner("windows_auth")[word]; got != "throttle" {
			t.Errorf("%s: got %q, want throttle", word, got)
		}
	}
	for word, where := range inner("ldap") {
		if slices.Contains(directoryWords().list(), word) || slices.Contains(handlerWords().list(), word) {
			t.Errorf("%s has a place outside %s too", word, where)
		}
	}
	for block, words := range blocks {
		for _, word := range words {
			if word != "attribute" && !slices.Contains(strings.Split(inner("ldap")[word], " or "), block) {
				t.Errorf("nobody is told that %s belongs into %s", word, block)
			}
		}
		for word, where := range inner("ldap") {
			if slices.Contains(strings.Split(where, " or "), block) && !slices.Contains(words, word) {
				t.Errorf("%s is no word of %s", word, block)
			}
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
		if got := meant(name, "windows_auth", handlerWords().list()); got != ", is a } missing before it?" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
