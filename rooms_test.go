package windowsauth

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRoomsHaveTheirFamilies: each file of the two large rooms stands in one row of the
// room's table in the plan, and each name there is a file.
func TestRoomsHaveTheirFamilies(t *testing.T) {
	plan, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"caddyldap", "caddyntlm"} {
		checkFamilies(t, room, familiesOf(string(plan), room))
	}
}

// familiesOf are the names in a room's table.
func familiesOf(plan, room string) map[string]int {
	_, table, _ := strings.Cut(plan, "| what for | files of "+room+" |")
	table, _, _ = strings.Cut(table, "\n\n")
	names := make(map[string]int)
	for _, row := range regexp.MustCompile(`(?m)^\| [a-z].* \| (.*) \|$`).FindAllStringSubmatch(table, -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			names[name] = 0
		}
	}
	return names
}

func checkFamilies(t *testing.T, room string, names map[string]int) {
	t.Helper()
	files, err := filepath.Glob(room + "/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files of %s, %v", len(files), room, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		rows := 0
		for name := range names {
			if fits, _ := path.Match(name+".go", filepath.Base(file)); fits {
				names[name]++
				rows++
			}
		}
		if rows != 1 {
			t.Errorf("%s is in %d rows of ARCHITECTURE.md, want one", file, rows)
		}
	}
	for name, n := range names {
		if n == 0 {
			t.Errorf("ARCHITECTURE.md names %s, and no file of %s is called so", name, room)
		}
	}
}
