// Package windowsauth is what xcaddy imports: it brings Windows Authentication
// into a Caddy build and does nothing else.
//
//	xcaddy build --with github.com/caddy-ntlm/caddy-ntlm
package windowsauth

import (
	_ "github.com/caddy-ntlm/caddy-ntlm/caddyfile" // the words of a Caddyfile; brings the door and the records office
	_ "github.com/caddy-ntlm/caddy-ntlm/diag"      // caddy windows-auth …
)
