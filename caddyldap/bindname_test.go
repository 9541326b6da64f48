package caddyldap

import (
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func TestBindName(t *testing.T) {
	for _, c := range []struct{ typed, netBIOS, dns, want string }{
		{"alice", "EXAMPLE", "example.com", `EXAMPLE\alice`},
		{"alice", "", "example.com", "alice@example.com"},
		{"alice", "", "", "alice"},
		{`EXAMPLE\alice`, "EXAMPLE", "example.com", `EXAMPLE\alice`},
		{`example\alice`, "EXAMPLE", "example.com", `example\alice`},
		{`OTHER\alice`, "EXAMPLE", "example.com", `OTHER\alice`},
		{`Example.COM\alice`, "EXAMPLE", "example.com", "alice@example.com"},
		{`example.com\alice@example.com`, "EXAMPLE", "example.com", "alice@example.com"},
		{`.\alice`, "EXAMPLE", "example.com", `.\alice`},
		{"alice@example.com", "EXAMPLE", "example.com", "alice@example.com"},
		{"alice@other.example", "EXAMPLE", "example.com", "alice@other.example"},
		{`EXAMPLE\alice@x`, "EXAMPLE", "example.com", `EXAMPLE\alice@x`},
		{`\alice`, "EXAMPLE", "example.com", `EXAMPLE\alice`},
		{"CN=alice,DC=example", "EXAMPLE", "", `EXAMPLE\CN=alice,DC=example`},
	} {
		if got := bindName(identity.ParseName(c.typed), c.netBIOS, c.dns); got != c.want {
			t.Errorf("%s in %q %q: got %s, want %s", c.typed, c.netBIOS, c.dns, got, c.want)
		}
	}
}
