package caddyldap

import "testing"

// TestWithin: an account outside the base DNs is not let in, nor one under a base
// whose name only resembles the configured one (threats D-04).
func TestWithin(t *testing.T) {
	d := &Directory{bases: []string{"ou=νικος,dc=example,dc=org", `o=a\, b+ou=x`}}
	for dn, want := range map[string]bool{
		"uid=x,ou=νικος,dc=example,dc=org":           true,
		"uid=x,OU=ΝΙΚΟς,DC=Example,dc=org":           true,
		"uid=x,ou=deeper,ou=νικος,dc=example,dc=org": true,
		`uid=x,ou=X+o=A\2c b`:                        true,
		"ou=νικος,dc=example,dc=org":                 false,
		"uid=x,ou=νικοσ,dc=example,dc=org":           false,
		"uid=x,dc=example,dc=org":                    false,
		`uid=x\,ou=νικος,dc=example,dc=org`:          false,
		"dc=org":                                     false,
	} {
		if got := d.within(dn) == nil; got != want {
			t.Errorf("%s: got %v, want %v", dn, got, want)
		}
	}
}
