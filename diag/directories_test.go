package diag

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func TestSplitGroups(t *testing.T) {
	for list, want := range map[string][]string{
		"HR": {"HR"}, "HR, Power Users ,": {"HR", "Power Users"}, "CN=HR,DC=example,DC=com": {"CN=HR,DC=example,DC=com"}, " , ": nil,
	} {
		if got := splitGroups([]string{list}); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", list, got, want)
		}
	}
}

// TestDirectoriesOf a configuration, named ones and those of sites, wherever
// their handlers stand.
func TestDirectoriesOf(t *testing.T) {
	named, own, err := directoriesOf([]byte(`{"apps": {
		"ldap": {"directories": {"EXAMPLE": {"server": [{"url": "dc1"}]}}},
		"http": {"servers": {"srv0": {"routes": [{"handle": [{"handler": "subroute", "routes": [
			{"handle": [{"handler": "windows_auth", "directory": {"server": [{"url": "dc2"}]}}]},
			{"handle": [{"handler": "windows_auth", "directory": {"server": [{"url": "dc2"}]}}]},
			{"handle": [{"handler": "windows_auth", "directories": ["EXAMPLE"]}]},
			{"handle": [{"handler": "other", "directory": {"server": [{"url": "dc3"}]}}]}
		]}]}]}}}}}`))
	if err != nil || len(named) != 1 || named["EXAMPLE"].Server[0].URL != "dc1" || len(own) != 1 || own[0].Server[0].URL != "dc2" {
		t.Errorf("got %v, %v, %v, want EXAMPLE and dc2", named, own, err)
	}
	for _, odd := range []string{"", "[]", `{"apps": {"ldap": []}}`} {
		if _, _, err := directoriesOf([]byte(odd)); err == nil {
			t.Errorf("%q: no error", odd)
		}
	}
}

func TestSources(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "site.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	two := file(`{"apps": {"ldap": {"directories": {"A": {"server": [{"url": "dc1"}]}, "B": {"server": [{"url": "dc2"}]}}}}}`)
	for name, c := range map[string]struct {
		source source
		want   string // the directory's name, or part of the error
	}{
		"nothing":         {source{}, "which directory?"},
		"both":            {source{address: "dc1", config: two}, "which directory?"},
		"address":         {source{address: "ldaps://dc1.example.com/DC=example,DC=com"}, "example.com"},
		"plain address":   {source{address: "ldap://dc1.example.com"}, "dc1.example.com"},
		"odd address":     {source{address: "http://dc1"}, "is not spoken here"},
		"no file":         {source{config: "/nowhere"}, "no such file"},
		"several":         {source{config: two}, "has 2 directories"},
		"no JSON":         {source{config: file("{\n\tldap X\n}\n")}, "is no JSON"},
		"chosen":          {source{config: two, name: "b"}, "B"},
		"chosen wrongly":  {source{config: two, name: "C"}, "known: A, B"},
		"without":         {source{config: file(`{"apps": {}}`)}, "no ldap block"},
		"its only one":    {source{config: file(`{"apps": {"ldap": {"directories": {"A": {"server": [{"url": "dc1"}]}}}}}`)}, "A"},
		"a site's own":    {source{config: file(`{"apps": {"http": {"x": {"handler": "windows_auth", "directory": {"server": [{"url": "dc9"}]}}}}}`)}, "dc9"},
		"mistake therein": {source{config: file(`{"apps": {"ldap": {"directories": {"A": {}}}}}`)}, "no server is named"},
	} {
		d, done, err := c.source.open(t.Context())
		if err == nil {
			if d.Name() != c.want {
				t.Errorf("%s: got %s, want %s", name, d.Name(), c.want)
			}
			done()
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestSeveralDirectories: how to choose one, where that can be.
func TestSeveralDirectories(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"named":    {`{"apps": {"ldap": {"directories": {"B": {"server": [{"url": "dc1"}]}, "A": {"server": [{"url": "dc2"}]}}}}}`, "--directory A or B"},
		"of sites": {`{"apps": {"http": {"x": [{"handler": "windows_auth", "directory": {"server": [{"url": "dc8"}]}}, {"handler": "windows_auth", "directory": {"server": [{"url": "dc9"}]}}]}}}`, "give --address"},
	} {
		path := filepath.Join(t.TempDir(), "site.json")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := (&source{config: path}).open(t.Context())
		if a, ok := errors.AsType[*advice](err); !ok || !strings.Contains(a.hint, c.want) {
			t.Errorf("%s: got %v, %+v, want the hint %q", name, err, a, c.want)
		}
	}
}

func TestPasswordSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("from file \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		password password
		in, want string
	}{
		"given":       {password{given: " x "}, "", " x "},
		"file":        {password{file: path}, "not this", "from file "},
		"input":       {password{}, "from input\nmore", "from input"},
		"no line end": {password{}, "from input", "from input"},
		"empty file":  {password{file: empty}, "not this", "no password"},
		"blank":       {password{given: " \t"}, "not this", "no password"},
		"both":        {password{given: "x", file: path}, "", "contradict"},
		"nothing":     {password{}, "", "no password"},
		"no file":     {password{file: path + "x"}, "", "no such file"},
	} {
		got, err := c.password.read(strings.NewReader(c.in), os.Stderr)
		if err == nil && got.Reveal() != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v, want %q", name, got.Reveal(), err, c.want)
		}
	}
}
