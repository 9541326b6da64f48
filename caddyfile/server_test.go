package caddyfile

import (
	"strings"
	"testing"
)

// A base DN with spaces falls apart without quotes; two servers do not.
func TestCheckSpaces(t *testing.T) {
	for text, good := range map[string]bool{
		`ldaps://dc1.example.com/OU=Night Shift,DC=example,DC=com`:                   false,
		`ldaps://dc1.example.com ldaps://dc2.example.com/OU=A B C,DC=example,DC=com`: false,
		`dc1.example.com/OU=Night Shift,DC=example,DC=com`:                           false,
		`ldaps://dc1.example.com/OU=Night, DC=example, DC=com`:                       false,
		`"ldaps://dc1.example.com/OU=Night Shift,DC=example,DC=com" dc2.example.com`: true,
		`ldaps://dc1.example.com/OU=Night%20Shift,DC=example,DC=com dc2.example.com`: true,
		`ldaps://dc1.example.com/DC=example,DC=com dc2.example.com`:                  true,
		`ldaps://dc1.example.com/o=Example dc2.example.com`:                          true,
		`ldaps://dc1.example.com/ou=a,o=Example dc2.example.com/ou=a,dc=example`:     true,
		`ldaps://alice:Secr3t@dc1.example.com/OU=Night Shift,DC=example,DC=com`:      true,
		`ldaps://dc1.example.com/OU=Night alice:Secr3t@Shift,DC=example,DC=com`:      true,
		`EXAMPLE PARTNERS`: true,
		"ldaps://dc1.example.com/OU=Night `Shift,DC=example,DC=com`": true,
	} {
		l, err := readLine(tokens(t, "server "+text))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSpaces(l.args); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "%20") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

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
