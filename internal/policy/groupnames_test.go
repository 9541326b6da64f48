package policy

import (
	"slices"
	"testing"
)

func TestGroupNames(t *testing.T) {
	got := Rule{Any: []Rule{
		{Group: []string{"HR", `EXAMPLE\Web Users`, "S-1-5-32-544"}},
		{All: []Rule{{ValidUser: true}, {None: []Rule{{Group: []string{"CN=Staff,DC=example,DC=test"}}}}}},
		{User: []string{"alice"}},
	}}.Groups()
	line := `group HR "EXAMPLE\Web Users" S-1-5-32-544`
	want := []NamedGroup{
		{Rule: line, Text: "HR", Name: "HR"},
		{Rule: line, Text: `EXAMPLE\Web Users`, Domain: "EXAMPLE", Name: "Web Users"},
		{Rule: `group "CN=Staff,DC=example,DC=test"`, Text: "CN=Staff,DC=example,DC=test", DN: "CN=Staff,DC=example,DC=test"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
