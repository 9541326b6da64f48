package windowsauth

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// docs/features.md says which test shows what the systems we replace have.

const featuresPage = "docs/features.md"

// features are the rows of the page.
var features = []string{
	"A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14–A17", "A18", "A19", "A20", "A21", "A22", "A23", "A24",
	"A25–A26", "A27", "A28–A31", "A32", "A33", "A34", "A35", "A36", "A37", "A39", "A40", "A41", "A42", "A45",
	"B1", "B3–B6", "B7–B8, B10", "B9", "B11", "B12", "B13", "B14", "B16", "B17", "B18",
	"C1", "C2", "C3, C12", "C5–C9", "C10", "C11, C15", "C14", "C16", "C17–C21, C29", "D1", "D2", "D3", "D4", "D5", "D6", "D7", "E1", "E2", "E3", "E4",
}

// TestEveryFeatureHasItsTests: each row stands on the page with tests that exist.
func TestEveryFeatureHasItsTests(t *testing.T) {
	rows, tree := tableRows(t, featuresPage), testsOfTheTree(t)
	for _, id := range features {
		row := rows[id]
		if len(row) != 4 || row[1] == "" || row[2] == "" {
			t.Errorf("%s: got %q, want four cells and none of the first three empty", id, row)
			continue
		}
		checkTests(t, id, row, tree)
	}
	for id := range rows {
		if !slices.Contains(features, id) {
			t.Errorf("%s: no row that is looked for", id)
		}
	}
}

// TestNothingIsWrittenToADirectory: outside tests and what stands in for a
// directory nothing can change an entry, RFC 4511 4.6 to 4.9.
func TestNothingIsWrittenToADirectory(t *testing.T) {
	writes := []string{
		"Add", "Modify", "ModifyWithResult", "ModifyDN", "Del", "PasswordModify",
		"NewAddRequest", "NewModifyRequest", "NewModifyDNRequest", "NewDelRequest", "NewPasswordModifyRequest",
	}
	eachGoFile(t, func(file string, parsed *ast.File) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "integration/") || !imports(parsed, `"github.com/go-ldap/ldap/v3"`) {
			return
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			selected, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(writes, selected.Sel.Name) {
				return true
			}
			if on, ok := selected.X.(*ast.Ident); ok && (on.Name == "ldap" || on.Name == "client") {
				t.Errorf("%s calls %s.%s", file, on.Name, selected.Sel.Name)
			}
			return true
		})
	})
}

func imports(file *ast.File, path string) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == path })
}
