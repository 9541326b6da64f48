package windowsauth

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/threats.md says which test holds each row. These tests hold the page to
// the tree.

const threatsPage = "docs/threats.md"

// aspnetcore is how many tests NegotiateHandlerTests has.
const aspnetcore = 24

// tableRow is a line of a table: its cells, without blanks around them.
type tableRow []string

// tests are the names in the last cell, each as folder:Test or folder:Test/case.
func (r tableRow) tests() (names []string, err error) {
	for group := range strings.SplitSeq(r[len(r)-1], ";") {
		folder, list, ok := strings.Cut(strings.TrimSpace(group), ":")
		if !ok {
			return nil, fmt.Errorf("%q names no folder", group)
		}
		for name := range strings.SplitSeq(list, ", ") {
			name = strings.TrimSpace(name)
			if !regexp.MustCompile("^`(Test|Fuzz)[^`]*`$").MatchString(name) {
				return nil, fmt.Errorf("%q is no test in backticks", name)
			}
			names = append(names, folder+":"+strings.Trim(name, "`"))
		}
	}
	return names, nil
}

// tableRows reads the lines of a page's tables, headings aside, by their first
// cell.
func tableRows(t *testing.T, page string) map[string]tableRow {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]tableRow)
	for line := range strings.Lines(string(text)) {
		inner, ok := strings.CutSuffix(strings.TrimSpace(line), "|")
		if !ok {
			continue
		}
		inner = strings.TrimPrefix(inner, "|")
		row := tableRow(strings.Split(inner, "|"))
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		key := row[0]
		if key == "id" || key == "theirs" || strings.Trim(key, "-") == "" {
			continue
		}
		if rows[key] != nil {
			t.Errorf("%s has %s twice", page, key)
		}
		rows[key] = row
	}
	return rows
}

// testsOfTheTree are all test functions, and the strings that may name their
// cases, as folder:Test and folder:Test/string.
func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	eachGoFile(t, func(file string, parsed *ast.File) {
		if !strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil {
				continue
			}
			name := path.Dir(file) + ":" + f.Name.Name
			found[name] = true
			ast.Inspect(f, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						found[name+"/"+text] = true
					}
				}
				return true
			})
		}
	})
	return found
}

func threatIDs() (ids []string) {
	for letter, n := range map[string]int{"A": 25, "B": 17, "C": 12, "D": 14, "E": 8, "F": 15} {
		for i := range n {
			ids = append(ids, fmt.Sprintf("%s-%02d", letter, i+1))
		}
	}
	slices.Sort(ids)
	return ids
}

// TestEveryThreatHasItsTests: each row stands on the page with tests that exist.
func TestEveryThreatHasItsTests(t *testing.T) {
	rows, tree := tableRows(t, threatsPage), testsOfTheTree(t)
	for _, id := range threatIDs() {
		row := rows[id]
		switch {
		case row == nil:
			t.Errorf("%s has no row %s", threatsPage, id)
		case len(row) != 4 || row[1] == "" || row[2] == "":
			t.Errorf("%s: got %d cells, want four and none of the first three empty", id, len(row))
		default:
			checkTests(t, id, row, tree)
		}
	}
}

// TestEveryTestOfASPNETCoreHasItsOwn: each has ours beside it, or waits for
// Kerberos and says so.
func TestEveryTestOfASPNETCoreHasItsOwn(t *testing.T) {
	rows, tree, ids := tableRows(t, threatsPage), testsOfTheTree(t), threatIDs()
	theirs := 0
	for name, row := range rows {
		if slices.Contains(ids, name) {
			continue
		}
		theirs++
		if len(row) != 3 || row[1] == "" {
			t.Errorf("%s: got %d cells, want three", name, len(row))
			continue
		}
		if row[1] != "comes with Kerberos" {
			checkTests(t, name, row, tree)
		}
	}
	if theirs != aspnetcore {
		t.Errorf("got %d rows that are no threats, want the %d tests of NegotiateHandlerTests", theirs, aspnetcore)
	}
}

func checkTests(t *testing.T, row string, cells tableRow, tree map[string]bool) {
	t.Helper()
	names, err := cells.tests()
	if err != nil {
		t.Errorf("%s: %v", row, err)
	}
	for _, name := range names {
		if !tree[name] {
			t.Errorf("%s: there is no %s", row, name)
		}
	}
}
