package caddyfile

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// Where a NAME stands is not in the document, and a document that has lost it
// still knows its NAMEs.
func TestPlaces(t *testing.T) {
	const block = "ldap EXAMPLE {\n\tserver ldaps://dc1.example.com\n}"
	first, err := parseLDAP(caddyfile.NewDispenser(tokens(t, block)), nil)
	if err != nil {
		t.Fatal(err)
	}
	app := first.(httpcaddyfile.App)
	if want := `{"directories":{"EXAMPLE":{"server":[{"url":"ldaps://dc1.example.com"}]}}}`; string(app.Value) != want {
		t.Errorf("got %s, want %s", app.Value, want)
	}
	for _, c := range []struct {
		value json.RawMessage
		want  string
	}{
		{app.Value, "the first time at Caddyfile:1"},
		{slices.Clip(slices.Clone(app.Value)), "the first time at an earlier block"},
	} {
		again := httpcaddyfile.App{Name: app.Name, Value: c.value}
		_, err := parseLDAP(caddyfile.NewDispenser(tokens(t, "\n\n"+block)), again)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasSuffix(err.Error(), ", at Caddyfile:3") {
			t.Errorf("got %v, want %q in it", err, c.want)
		}
	}
}
