package caddyfile

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// meant is what an error adds to an unknown word: why it is unknown, or what it
// was probably meant to be. It is empty where nothing comes to mind.
func meant(text, in string, known []string) string {
	if where := belongs(text, in); where != "" {
		return where
	}
	if near := nearest(text, known); near != "" {
		return ", did you mean " + near + "?"
	}
	if insideSite(in) && isDirective(text) {
		return ", is a } missing before it?"
	}
	return ""
}

// insideSite says of a block that a directive of the site can follow it.
func insideSite(block string) bool {
	return slices.Contains([]string{"windows_auth", "directory", "all", "any", "none"}, block)
}

// isDirective says whether this Caddy, with all its plugins, has a directive of
// that name. Caddy shows its table to nobody, but its global option order takes
// the names in it and no others.
func isDirective(name string) bool {
	var order caddyfile.Segment
	for _, text := range []string{"order", name, "first"} {
		order = append(order, caddyfile.Token{Text: text, Line: 1})
	}
	global := caddyfile.ServerBlock{HasBraces: true, Segments: []caddyfile.Segment{order}}
	_, _, err := httpcaddyfile.ServerType{}.Setup([]caddyfile.ServerBlock{global}, make(map[string]any))
	return err == nil
}

// nearest is the word that a mistyped one was probably meant to be, or nothing
// where none is near.
func nearest(text string, known []string) string {
	best, least := "", len(text)/3+1
	for _, word := range known {
		if d := distance(strings.ToLower(text), strings.ToLower(word)); d < least && d < len(word) {
			best, least = word, d
		}
	}
	return best
}

// distance counts the letters to insert, drop or change, and neighbours to swap,
// to make b of a: gruop is one slip from group.
func distance(a, b string) int {
	if len(a) > maxShown {
		a = a[:maxShown]
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	var before, previous []int
	for i := range len(a) {
		before, previous = previous, slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			change := previous[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, previous[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
