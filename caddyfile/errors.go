package caddyfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// errorAt names the file and line of the token to mend, and the imports that
// led there, as Caddy's own errors do. Whoever calls it takes care that no
// secret is among the arguments.
func errorAt(token caddyfile.Token, format string, args ...any) error {
	d := caddyfile.NewDispenser([]caddyfile.Token{token})
	d.Next()
	return d.WrapErr(fmt.Errorf(format, args...))
}

// place is where a token stands.
func place(token caddyfile.Token) string {
	return fmt.Sprintf("%s:%d", token.File, token.Line)
}

// unknown says that a token is none of the words of its kind that may stand
// there, which are those, and which of them was probably meant.
func unknown(token caddyfile.Token, kind, in string, known []string) error {
	var hint string
	if near := nearest(token.Text, known); near != "" {
		hint = fmt.Sprintf(", did you mean %s?", near)
	}
	return errorAt(token, "unknown %s %s in %s%s (known: %s)", kind, short(token.Text), in, hint, strings.Join(known, ", "))
}

// maxShown bounds what an error repeats of the configuration.
const maxShown = 64

// short is a text that fits into an error.
func short(text string) string {
	if text == "" {
		return `""`
	}
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return text
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

// distance counts the letters to insert, drop or change to make b of a
// (Levenshtein).
func distance(a, b string) int {
	if len(a) > maxShown {
		a = a[:maxShown]
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			change := previous[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, previous[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
