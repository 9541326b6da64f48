package caddyfile

import "slices"

// checkWords refuses a word of require among names between spaces: group Staff user
// alice would be three groups, and is meant to be a group and a user.
func checkWords(l line, pieces []piece) error {
	if slices.ContainsFunc(pieces, func(p piece) bool { return p.kind == comma }) {
		return nil
	}
	for i, p := range pieces {
		if _, isWord := ruleWords()[p.text]; i > 0 && p.kind == plain && isWord {
			return errorAt(p.at, `%[1]s among the names after %[2]s is a word of require, and begins a line of its own: write "%[1]s", in quotes, for a name`, p.text, l.word.Text)
		}
	}
	return nil
}
