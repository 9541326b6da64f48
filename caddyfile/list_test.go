package caddyfile

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// tokens reads one line as Caddy does.
func tokens(t *testing.T, text string) []caddyfile.Token {
	t.Helper()
	found, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestReadList(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // nil where an error is wanted
	}{
		{`Administrators HR`, []string{"Administrators", "HR"}},
		{`Administrators "Power Users"`, []string{"Administrators", "Power Users"}},
		{`Administrators,Power Users`, []string{"Administrators", "Power Users"}},
		{`Administrators, Power Users , HR`, []string{"Administrators", "Power Users", "HR"}},
		{`"Power Users", HR`, []string{"Power Users", "HR"}},
		{`"Power Users",HR`, []string{"Power Users", "HR"}},
		{`"Power Users" HR Staff, Sales`, []string{"Power Users", "HR Staff", "Sales"}},
		{`HR Staff "Power Users", Sales`, []string{"HR Staff", "Power Users", "Sales"}},
		{`"Research, Development"`, []string{"Research, Development"}},
		{"`Research, \"Development\"` HR", []string{`Research, "Development"`, "HR"}},
		{`EXAMPLE\Staff,EXAMPLE\Night Shift`, []string{`EXAMPLE\Staff`, `EXAMPLE\Night Shift`}},
		{`CN=Sales,DC=example,DC=com`, []string{"CN=Sales,DC=example,DC=com"}},
		{`CN=Sales,DC=example,DC=com HR`, []string{"CN=Sales,DC=example,DC=com", "HR"}},
		{`HR CN=Sales,DC=example,DC=com`, []string{"HR", "CN=Sales,DC=example,DC=com"}},
		{`CN=A,DC=example,DC=com CN=B,DC=example,DC=com`, []string{"CN=A,DC=example,DC=com", "CN=B,DC=example,DC=com"}},
		{`CN=Sales,DC=example,DC=com, Power Users`, []string{"CN=Sales,DC=example,DC=com", "Power Users"}},
		{`Power Users, CN=Sales,DC=example,DC=com`, []string{"Power Users", "CN=Sales,DC=example,DC=com"}},
		{`HR , CN=Sales,DC=example,DC=com , IT`, []string{"HR", "CN=Sales,DC=example,DC=com", "IT"}},
		{`cn=staff,o=example`, []string{"cn=staff,o=example"}},
		{`cn=staff,o=example "Power Users"`, []string{"cn=staff,o=example", "Power Users"}},
		{`"CN=Power Users,DC=example,DC=com" HR`, []string{"CN=Power Users,DC=example,DC=com", "HR"}},

		{`CN=Power Users,DC=example,DC=com`, nil},
		{`CN=Domain Users`, nil},
		{`CN=Sales,OU=Power Users`, nil},
		{`cn=staff,o=Example Company`, nil},
		{`CN=A,OU=B OU=C D=E,DC=example`, nil},
		{`CN=Doe\, Jane,DC=example,DC=com`, nil},
		{`Administrators,CN=Sales,DC=example,DC=com`, nil},
		{`HR, CN=Sales,DC=example,DC=com Staff`, nil},
		{`HR, Staff CN=Sales,DC=example,DC=com`, nil},
		{`CN=A,DC=com CN=B,DC=com, HR`, nil},
		{`,HR`, nil},
		{`HR,`, nil},
		{`HR,,IT`, nil},
		{`,`, nil},
		{`CN=A,DC=com,,`, nil},
		{`Administrators,"Power Users"`, nil},
	} {
		l, err := readLine(tokens(t, "group "+c.text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readList(l)
		if (err == nil) != (c.want != nil) || !slices.Equal(got, c.want) && err == nil {
			t.Errorf("%s: got %q, %v, want %q", c.text, got, err, c.want)
		}
		if err != nil && !strings.HasSuffix(err.Error(), ", at Caddyfile:1") {
			t.Errorf("%s: the error names no line: %v", c.text, err)
		}
	}
}

func TestReadLineRefusesBraceAsArgument(t *testing.T) {
	if _, err := readLine(tokens(t, "require all {\n\tgroup HR\\\n\t}\n")); err == nil {
		t.Error("a closing brace passes for the name of a group")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"all", "any", "group", "none", "sid", "user", "valid-user"}
	for text, want := range map[string]string{
		"groups": "group", "GROUP": "group", "valid_user": "valid-user", "usr": "user",
		"role": "", "filter": "", "": "", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": "",
	} {
		if got := nearest(text, known); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestUsersStandsForEverybody: the end of an unquoted name must not open the
// door to all.
func TestUsersStandsForEverybody(t *testing.T) {
	for text, good := range map[string]bool{
		`group Power Users`:                   false,
		`group HR Remote Desktop users`:       false,
		`group "Power Users"`:                 true,
		`group Users`:                         true,
		`group Users HR`:                      false,
		`group HR "Web" Users`:                false,
		`group CN=HR,DC=example,DC=org Users`: false,
		`group EXAMPLE\Web Users`:             false,
		`group "Web Admins" Users`:            true,
		"group `HR` Users":                    true,
		`group HR, Users`:                     true,
		`group HR,Users`:                      true,
		`group HR,Power Users`:                true,
		`group HR , Users`:                    true,
		`group "HR" Users`:                    true,
		`group HR "Users"`:                    true,
		`group HR BUILTIN\Users`:              true,
		`group CN=HR,DC=example,DC=test HR`:   true,
	} {
		l, err := readLine(tokens(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readRule("require", l); (err == nil) != good {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
