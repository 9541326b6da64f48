// Package caddyfile turns the words of a Caddyfile into the configuration of
// the apps ldap and windows_auth and of the handlers windows_auth and require.
// It reads tokens and fills structs: it opens no file, asks no network and
// decides nothing that the packages below it can decide. What is only probably
// a mistake it warns of in Caddy's log, as Caddy's own adapter does.
package caddyfile

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// Of two directives that both want to stand straight after basic_auth the one
// registered last comes first: windows_auth must find out who somebody is
// before require asks whether he may.
func init() {
	httpcaddyfile.RegisterGlobalOption("ldap", parseLDAP)
	httpcaddyfile.RegisterGlobalOption("windows_auth", parseGlobal)
	httpcaddyfile.RegisterHandlerDirective("require", parseRequire)
	httpcaddyfile.RegisterHandlerDirective("windows_auth", parseWindowsAuth)
	httpcaddyfile.RegisterDirectiveOrder("require", httpcaddyfile.After, "basic_auth")
	httpcaddyfile.RegisterDirectiveOrder("windows_auth", httpcaddyfile.After, "basic_auth")
}
