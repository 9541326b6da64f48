package windowsauth

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRecordsOfficeHasItsFamilies: each file of caddyldap stands in one row of the
// plan's table, and each name there is a file.
func TestRecordsOfficeHasItsFamilies(t *testing.T) {
	plan, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(plan), "| what for | files of caddyldap |")
	table, _, _ = strings.Cut(table, "\n\n")
	found := make(map[string]int) // by name in the table
	for _, row := range regexp.MustCompile(`(?m)^\| [a-z].* \| (.*) \|$`).FindAllStringSubmatch(table, -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			found[name] = 0
		}
	}
	files, err := filepath.Glob("caddyldap/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		rows := 0
		for name := range found {
			if fits, _ := path.Match(name+".go", filepath.Base(file)); fits {
				found[name]++
				rows++
			}
		}
		if rows != 1 {
			t.Errorf("%s is in %d rows of ARCHITECTURE.md, want one", file, rows)
		}
	}
	for name, n := range found {
		if n == 0 {
			t.Errorf("ARCHITECTURE.md names %s, and no file is called so", name)
		}
	}
}
