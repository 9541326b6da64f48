package caddyldap

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

// TestMap: features C17 to C21. The first line that fits gives its roles, else
// the fallback; an expression fits a whole value or not at all.
func TestMap(t *testing.T) {
	entry := ldap.NewEntry("CN=Alice", map[string][]string{
		"department": {"Web", "Straße 7"}, "title": {"Lead Engineer"}, "memberOf": {"CN=Web Users,OU=Groups,DC=example,DC=test"},
	})
	for name, c := range map[string]struct {
		expression string
		attribute  string
		fits       bool
	}{
		"exact":                  {"Web", "department", true},
		"other capitals":         {"wEB", "Department", true},
		"second value":           {"STRASSE 7", "department", false},
		"sharp s":                {"straße 7", "department", true},
		"part":                   {"We", "department", false},
		"glob":                   {"CN=web*,DC=example,DC=test", "memberOf", true},
		"glob of one letter":     {"w?b", "department", true},
		"glob in the middle":     {"*", "department", true},
		"glob is whole":          {"Web*x", "department", false},
		"glob of a bracket":      {"[W]eb*", "department", false},
		"glob of a backslash":    {`W\*`, "department", false},
		"regexp":                 {"m/(Senior|Lead) [A-Z].*/", "title", true},
		"regexp is whole":        {"m/Lead/", "title", false},
		"regexp has capitals":    {"m/lead .*/", "title", false},
		"regexp of two branches": {"m/Nobody|Lead Engineer|x/", "title", true},
		"half of a branch":       {"m/Lead|Nobody/", "title", false},
		"absent":                 {"*", "mail", false},
	} {
		m, err := (&Map{Fallback: []string{"guest"}, Lines: []MapLine{{c.attribute, c.expression, []string{"hit", "second"}}, {"department", "*", []string{"never"}}}}).compile()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []string{"hit", "second"}
		if !c.fits {
			want = []string{"never"}
		}
		if got, _ := m.roles(entry, nil); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	m, err := (&Map{Fallback: []string{"guest"}, Lines: []MapLine{{"mail", "*", []string{"mailer"}}}}).compile()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := m.roles(entry, nil); !slices.Equal(got, []string{"guest"}) {
		t.Errorf("nothing fits: got %q, want the fallback", got)
	}
}

// TestPartOfTheValues: where a controller shows only the first of many values, or
// some are no text, nobody can tell what else there is.
func TestPartOfTheValues(t *testing.T) {
	many := make([]string, maxValues+1)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	entry := ldap.NewEntry("CN=Alice", map[string][]string{
		"memberOf": nil, "memberOf;range=0-1": {"CN=A", "CN=B"}, "title": {"Lead"}, "pager": {"1", "\xff"}, "info": many, "cn;lang-en": {"Alice"},
	})
	for name, want := range map[string]bool{"memberof": true, "pager": true, "info": true, "title": false, "mail": false, "cn": true} {
		if got := readable(entry, name).Partial; got != want {
			t.Errorf("%s: got partial %v, want %v", name, got, want)
		}
	}
	lines := []MapLine{{"title", "Lead", []string{"lead"}}, {"memberOf", "CN=C", []string{"member"}}, {"title", "*", []string{"titled"}}}
	for skip, want := range map[int][2][]string{0: {{"lead"}, nil}, 1: {nil, {"guest", "member", "titled"}}, 2: {{"titled"}, nil}} {
		m, err := (&Map{Fallback: []string{"guest"}, Lines: lines[skip:]}).compile()
		if err != nil {
			t.Fatal(err)
		}
		roles, unsure := m.roles(entry, nil)
		if !slices.Equal(roles, want[0]) || !slices.Equal(unsure, want[1]) {
			t.Errorf("from line %d: got %q, unsure of %q, want %q", skip, roles, unsure, want)
		}
	}
}

// TestResemblingValues: a value that the directory may take for the one in the map
// gives no role, and leaves those that it may give unsure.
func TestResemblingValues(t *testing.T) {
	entry := ldap.NewEntry("uid=x", map[string][]string{"title": {"\u1C80рач"}})
	for expression, want := range map[string][2][]string{
		"врач": {nil, {"guest", "doctor"}}, "в*": {nil, {"guest", "doctor"}}, "\u1C80РАЧ": {{"doctor"}, nil}, "\u1C80*": {{"doctor"}, nil},
		"m/врач/": {{"guest"}, nil}, "рач": {{"guest"}, nil},
	} {
		m, err := (&Map{Fallback: []string{"guest"}, Lines: []MapLine{{"title", expression, []string{"doctor"}}}}).compile()
		if err != nil {
			t.Fatal(err)
		}
		if roles, unsure := m.roles(entry, nil); !slices.Equal(roles, want[0]) || !slices.Equal(unsure, want[1]) {
			t.Errorf("%s: got %q, unsure of %q, want %q", expression, roles, unsure, want)
		}
	}
}

// TestAttributesAndRoles of an identity, by each way to log in and after a
// refresh; what a rule asks about is read too.
func TestAttributesAndRoles(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) {
		c.Users[0].Attributes = map[string][]string{
			"department": {"Web", "bad\x00value", "Ops"}, "employeeType": {"staff"}, "jpegPhoto": {"\xff\xd8\xff"},
		}
	})
	config := demoDirectory(s)
	config.Attributes = []string{"department", "jpegPhoto", "mail", "pager"}
	config.Map = &Map{Fallback: []string{"guest"}, Lines: []MapLine{{"memberOf", "CN=Staff,*", []string{"web"}}}}
	d, _ := open(t, config, "EXAMPLE")
	d.wantAttributes([]string{"EmployeeType", "department"})
	for _, id := range everyWay(t, d, "alice") {
		for name, want := range map[string]string{
			"department": "Web,Ops", "jpegPhoto": "", "mail": "alice@example.test", "pager": "", "employeetype": "staff", "title": "unknown",
		} {
			values, known := id.Attribute(name)
			if got := strings.Join(values, ","); known && got != want || known != (want != "unknown") {
				t.Errorf("%s: got %q, %v, want %q", name, got, known, want)
			}
		}
		if details := id.Details; details.Unsure != nil {
			t.Errorf("got unsure of the roles %q, want of none", details.Unsure)
		}
		if got := id.Roles(); !slices.Equal(got, []string{"web"}) {
			t.Errorf("got roles %q, want web", got)
		}
		if !id.HasValue("employeeType", "STAFF") {
			t.Error("what a rule asks about is not read")
		}
	}
	other, err := logIn(t, d, "svc-web", "Secr3t-svc-web")
	if err != nil {
		t.Fatal(err)
	}
	if got := other.Roles(); !slices.Equal(got, []string{"guest"}) {
		t.Errorf("svc-web: got roles %q, want the fallback", got)
	}
	plain, _ := open(t, demoDirectory(s), "EXAMPLE")
	id, err := logIn(t, plain, "alice", "Secr3t-alice")
	if err != nil || id.Details != nil {
		t.Errorf("got %v, %v, want no details where none are asked for", id.Details, err)
	}
}

// TestMoreValuesThanShown: what was cut short, by us or by the controller, is
// known to be.
func TestMoreValuesThanShown(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) {
		c.RangePage = 3 * maxValues
		values := make([]string, 4*maxValues)
		for i := range values {
			values[i] = strings.Repeat("x", i+1)
		}
		c.Users[0].Attributes = map[string][]string{"carLicense": values[:maxValues+1], "telexNumber": values, "pager": values[:maxValues]}
	})
	config := demoDirectory(s)
	config.Attributes = []string{"carLicense", "telexNumber", "pager", "department"}
	config.Map = &Map{Lines: []MapLine{{"carLicense", "y", []string{"y"}}}}
	d, _ := open(t, config, "EXAMPLE")
	id, err := logIn(t, d, "alice", "Secr3t-alice")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"carLicense": true, "telexNumber": true, "pager": false, "department": false} {
		if got := !id.KnowsValues(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if !id.KnowsRole("Y") {
		t.Error("roles come of all values that are shown, and one hides them")
	}
	config = demoDirectory(s)
	config.Map = &Map{Lines: []MapLine{{"TELEXNUMBER", "y", []string{"y"}}}}
	d, _ = open(t, config, "EXAMPLE")
	if id, err = logIn(t, d, "alice", "Secr3t-alice"); err != nil || id.KnowsRole("Y") {
		t.Errorf("roles of values that are not shown: got %v, %v", id, err)
	}
}
