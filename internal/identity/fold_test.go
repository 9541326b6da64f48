package identity

import (
	"testing"
	"unicode"
)

// TestFold: threats D-03 and D-04. Letters that only Unicode's tables bring
// together are different accounts to a directory.
func TestFold(t *testing.T) {
	same := [][2]string{
		{"alice", "ALICE"}, {"müller", "MÜLLER"}, {"ß", "ß"}, {"σ", "Σ"}, {"νίκος", "ΝΊΚΟς"}, {"василий", "ВАСИЛИЙ"}, {"dvořák", "DVOŘÁK"},
		{"nguyễn", "NGUYỄN"}, {"արամ", "ԱՐԱՄ"}, {"ｘ", "Ｘ"}, {"a\xff", "a\xff"},
	}
	for _, pair := range same {
		if Fold(pair[0]) != Fold(pair[1]) || !FoldsTo(pair[0], Fold(pair[1])) {
			t.Errorf("%q and %q: got %q and %q, want the same", pair[0], pair[1], Fold(pair[0]), Fold(pair[1]))
		}
		if !Resembles(pair[0], pair[1]) {
			t.Errorf("%q does not resemble %q, and folds to the same", pair[0], pair[1])
		}
	}
	different := [][2]string{
		{"kate", "\u212Aate"}, // Kelvin sign
		{"i", "\u0131"},       // dotless i
		{"s", "\u017F"},       // long s
		{"alice", "\u0430lice"},
		{"ss", "ß"}, {"alice", "\uFF41lice"},
		{"νικος", "νικοσ"}, {"ΝΙΚΟΣ", "νικος"}, // final sigma
		{"василий", "\u1C80асилий"}, // rounded ve
		{"µ", "μ"}, {"ß", "ẞ"}, {"å", "\u212B"}, {"ω", "\u2126"}, {"θ", "ϴ"}, {"ǆ", "ǅ"}, {"i", "İ"},
		{"ა", "Ა"}, {"ꮕ", "Ꮕ"}, // Georgian and Cherokee, whose capitals or small letters are new
		{"a\xff", "a\xfe"}, {"a\xff", "a\uFFFD"},
	}
	for _, pair := range different {
		if Fold(pair[0]) == Fold(pair[1]) || FoldsTo(pair[0], Fold(pair[1])) || FoldsTo(pair[1], Fold(pair[0])) {
			t.Errorf("%q and %q both fold to %q", pair[0], pair[1], Fold(pair[0]))
		}
		if Lower(pair[0]) == Lower(pair[1]) {
			t.Errorf("%q and %q both have the small form %q", pair[0], pair[1], Lower(pair[0]))
		}
	}
}

// TestFoldJoinsTwo: Fold joins a capital with its one small letter, and Lower goes
// back to that one.
func TestFoldJoinsTwo(t *testing.T) {
	joined := make(map[string][]rune)
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xD800 && r < 0xE000 { // no characters
			continue
		}
		text := string(r)
		if unicode.SimpleFold(r) == r && Fold(text) == text {
			continue
		}
		joined[Fold(text)] = append(joined[Fold(text)], r)
		if lower := Lower(text); Fold(lower) != Fold(text) || Lower(Fold(text)) != lower {
			t.Errorf("%q: got the small form %q, which folds to %q, want %q", text, lower, Fold(lower), Fold(text))
		}
	}
	for folded, all := range joined {
		if len(all) > 2 {
			t.Errorf("%q: got %q, want no more than two", folded, all)
		}
	}
}
