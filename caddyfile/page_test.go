package caddyfile

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestPageHasEveryWord: docs/caddyfile.md has a row for each word and none for
// another.
func TestPageHasEveryWord(t *testing.T) {
	page, err := os.ReadFile("../docs/caddyfile.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllSubmatch(page, -1) {
		rows = append(rows, string(row[1]))
	}
	words := slices.Compact(Words())
	for _, word := range words {
		if !slices.Contains(rows, word) {
			t.Errorf("%s has no row", word)
		}
	}
	for i, row := range rows {
		if !slices.Contains(words, row) || slices.Contains(rows[:i], row) {
			t.Errorf("%s: no such word, or twice", row)
		}
	}
}
