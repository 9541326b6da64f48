package caddyfile

import (
	"fmt"
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

// inWord has an error name the word in whose line or block it is: the line of a
// file that was imported, or made by another program, may be at nobody's hand.
func inWord(word caddyfile.Token, err error) error {
	if err == nil {
		return nil
	}
	said := err.Error()
	if end := strings.LastIndex(said, ", at "); end >= 0 {
		said = said[:end] // the file may be called like the word
	}
	if strings.Contains(said, word.Text) {
		return err
	}
	return fmt.Errorf("%s: %w", word.Text, err)
}

// place is where a token stands.
func place(token caddyfile.Token) string {
	return fmt.Sprintf("%s:%d", token.File, token.Line)
}

// unknown says that a token is none of the words of its kind that may stand
// there, which are those, and what was probably meant.
func unknown(token caddyfile.Token, kind, in string, known []string) error {
	return unknownElse(token, kind, in, known, "")
}

// unknownElse is unknown with a guess of the caller's, for a token that nothing
// else is known about.
func unknownElse(token caddyfile.Token, kind, in string, known []string, guess string) error {
	if found := meant(token.Text, in, known); found != "" {
		guess = found
	}
	return errorAt(token, "unknown %s %s in %s%s (known: %s)", kind, short(token.Text), in, guess, strings.Join(known, ", "))
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

// written is an argument as a person would write it, in quotes where it needs
// them or had them.
func written(token caddyfile.Token) string {
	if token.Quoted() || strings.ContainsAny(token.Text, " \t") {
		return `"` + short(token.Text) + `"`
	}
	return short(token.Text)
}
