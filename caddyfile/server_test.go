package caddyfile

import "testing"

// A comma inside a base DN separates no servers.
func TestHasSeparator(t *testing.T) {
	for text, want := range map[string]bool{
		"ldaps://dc1.example.com,":                                           true,
		"ldaps://dc1.example.com,ldaps://dc2.example.com":                    true,
		"ldaps://dc1.example.com/DC=example,DC=com,LDAPS://dc2.example.com":  true,
		"ldaps://dc1.example.com/DC=example,DC=com,":                         true,
		"dc1.example.com,dc2.example.com":                                    true,
		"dc1.example.com:636,dc2.example.com/DC=example,DC=com":              true,
		",ldaps://dc2.example.com":                                           true,
		",":                                                                  true,
		"ldaps://dc1.example.com/OU=Staff,DC=example,DC=com":                 false,
		"ldaps://dc1.example.com/OU=ldap,OU=ldaps,DC=example,DC=com":         false,
		"dc1.example.com/DC=example,DC=com":                                  false,
		"ldaps:///DC=example,DC=com":                                         false,
		"ldaps://dc1.example.com":                                            false,
		"ldaps://alice:Secr3t,never@dc1.example.com/DC=example,DC=com":       false,
		"ldaps://alice:Secr3t@dc1.example.com,ldaps://dc2.example.com/DC=or": false,
	} {
		if got := hasSeparator(text); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
