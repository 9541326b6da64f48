package identity

import (
	"testing"

	"pgregory.net/rapid"
)

func TestAttribute(t *testing.T) {
	a := &Account{Details: &Details{
		Attributes: []Attribute{{Name: "department", Values: []string{"Web", "Straße"}}, {Name: "msDS-Thing"}},
		Roles:      []string{"Staff", "müller"},
	}}
	nobody := &Account{Mail: "a@example.com"}
	if nobody.HasRole("STAFF") || nobody.HasValue("department", "WEB") || !nobody.HasValue("MAIL", "A@EXAMPLE.COM") {
		t.Error("an account without details has some, or not its mail")
	}
	if values, known := nobody.Attribute("displayname"); !known || values != nil {
		t.Errorf("got %q, %v, want no value of a known attribute", values, known)
	}
	for name, want := range map[string]bool{
		"department": true, "DEPARTMENT": true, "msds-thing": true, "msDS_Thing": true, "ms_ds": false, "departmen": false, "": false,
		"depart\rent": false, "mail": false,
	} {
		if _, got := a.Attribute(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
	for value, want := range map[string]bool{"web": true, "WEB": true, "we": false, "webs": false, "": false, "straße": true, "strasse": false} {
		if got := a.HasValue("department", Fold(value)); got != want {
			t.Errorf("value %q: got %v, want %v", value, got, want)
		}
	}
	if a.HasValue("msDS-Thing", "") || a.HasValue("mail", "") {
		t.Error("an attribute without values has one")
	}
	for role, want := range map[string]bool{"staff": true, "MÜLLER": true, "muller": false, "": false} {
		if got := a.HasRole(Fold(role)); got != want {
			t.Errorf("role %q: got %v, want %v", role, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { a.HasValue("department", "STRASSE") }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func TestFoldsTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("aAbßẞıİKkÄä�"))).Draw(t, "text")
		other := rapid.StringOf(rapid.RuneFrom([]rune("aAbßẞıİKkÄä�"))).Draw(t, "other")
		if !FoldsTo(text, Fold(text)) {
			t.Errorf("%q does not fold to itself", text)
		}
		if got, want := FoldsTo(text, Fold(other)), Fold(text) == Fold(other); got != want {
			t.Errorf("%q, %q: got %v, want %v", text, other, got, want)
		}
	})
}

func TestCheckAttribute(t *testing.T) {
	for name, want := range map[string]bool{
		"mail": true, "msDS-User-Account-Control-Computed": true, "2.5.4.3": true, "x1": true,
		"": false, "1x": false, "member;range=0-1": false, "a b": false, "a_b": false, "-a": false, "ä": false, "a*": false, "cn)(uid": false, "a{": false, "Ka": true, "\u212aa": false,
	} {
		if got := CheckAttribute(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}
