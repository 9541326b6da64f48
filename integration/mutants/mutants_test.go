package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFaultsApply holds that each fault can still be planted: whoever changes
// the source that one replaces mends faults.txt.
func TestFaultsApply(t *testing.T) {
	all, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range all {
		if err := f.applies(os.DirFS("../..")); err != nil {
			t.Error(err)
		}
		if names[f.name] {
			t.Errorf("two faults are named %s", f.name)
		}
		names[f.name] = true
	}
	if len(all) < 15 {
		t.Errorf("got %d faults, want 15 at least", len(all))
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no edit":     {"## a\ntest ./x\n", "no edit"},
		"no test":     {"## a\nfile x\n<<<<\na\n====\nb\n>>>>\n", "no test"},
		"no end":      {"## a\ntest ./x\nfile x\n<<<<\na\n====\nb\n", "without its end"},
		"no between":  {"## a\ntest ./x\nfile x\n<<<<\na\n>>>>\n", "without its end"},
		"no file":     {"## a\ntest ./x\n<<<<\na\n====\nb\n>>>>\n", "what does"},
		"stray lines": {"## a\nhello\n", "what does"},
	} {
		if _, err := parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestVerdicts plants faults in a tree of three: one is found, one is not, one
// does not compile, and the tree is as before after each.
func TestVerdicts(t *testing.T) {
	dir := t.TempDir()
	const source = "package small\n\nfunc sum(a, b int) int {\n\treturn a + b\n}\n"
	for name, text := range map[string]string{
		"go.mod": "module small\n\ngo 1.24\n", "sum.go": source,
		"sum_test.go": "package small\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tif sum(2, 2) != 4 {\n\t\tt.Error()\n\t}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plant := func(after string) (verdict, error) {
		t.Helper()
		v, err := tree(dir).try(fault{name: "f", packages: []string{"."}, edits: []edit{{"sum.go", "\treturn a + b\n", after}}})
		if text, readErr := os.ReadFile(filepath.Join(dir, "sum.go")); readErr != nil || string(text) != source {
			t.Errorf("the tree was left changed: %v\n%s", readErr, text)
		}
		return v, err
	}
	if v, err := plant("\treturn a - b\n"); err != nil || !v.red || v.by != "TestSum" {
		t.Errorf("found: got %v, %v", v, err)
	}
	if v, err := plant("\treturn a * b\n"); err != nil || v.red {
		t.Errorf("not found: got %v, %v", v, err)
	}
	if v, err := plant("\treturn c\n"); err == nil || v.red {
		t.Errorf("does not compile: got %v, %v", v, err)
	}
	f := fault{name: "f", packages: []string{"."}, edits: []edit{{"sum.go", "\treturn 7\n", ""}}}
	if _, err := tree(dir).try(f); err == nil || !strings.Contains(err.Error(), "0 times") {
		t.Errorf("does not apply: got %v", err)
	}
}
