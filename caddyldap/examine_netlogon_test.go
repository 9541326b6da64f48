package caddyldap

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// TestExcessive: rights of a machine account that nothing here needs.
func TestExcessive(t *testing.T) {
	for name, c := range map[string]struct {
		attributes map[string]string
		want       string // the observations, each by its beginning
	}{
		"ordinary":       {map[string]string{"userAccountControl": "4096", "primaryGroupID": "515"}, ""},
		"not to be seen": {map[string]string{"primaryGroupID": "515"}, "does not show"},
		"disabled":       {map[string]string{"userAccountControl": "4098"}, "is disabled"},
		"a controller":   {map[string]string{"userAccountControl": "532480", "primaryGroupID": "516"}, "is the account of a domain controller|is trusted"},
		"delegation":     {map[string]string{"userAccountControl": "528384"}, "is trusted"},
		"to anybody":     {map[string]string{"userAccountControl": "16781312"}, "is trusted"},
		"administrators": {map[string]string{"userAccountControl": "4096", "adminCount": "1", "primaryGroupID": "512"}, "is, or was, in a group of administrators"},
		"another group":  {map[string]string{"userAccountControl": "4096", "primaryGroupID": "512"}, "has the primary group 512"},
	} {
		e := &ldap.Entry{DN: "CN=WEB01"}
		for attribute, text := range c.attributes {
			e.Attributes = append(e.Attributes, ldap.NewEntryAttribute(attribute, []string{text}))
		}
		var got []string
		for _, o := range excessive(e) {
			got = append(got, o.Text)
		}
		want := strings.Split(c.want, "|")
		fits := len(got) == len(want) || c.want == "" && len(got) == 0
		for i := range got {
			fits = fits && i < len(want) && want[i] != "" && strings.HasPrefix(got[i], want[i])
		}
		if !fits {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
