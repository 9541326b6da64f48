package caddyfile

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// words is the vocabulary of a block that fills a T.
type words[T any] map[string]word[T]

// word is one word: what may follow it and what it does.
type word[T any] struct {
	// usage is the line as a person would write it, for errors.
	usage string
	// least and most bound the number of arguments; most -1 means any number.
	least, most int
	// many says that the word may stand more than once.
	many bool
	// block says that a block may, or with needsBlock must, follow.
	block, needsBlock bool
	// parse fills in what the line says.
	parse func(*T, line) error
}

// blockUsage is how a block is written: Caddy takes none on one line.
func blockUsage(word string, lines ...string) string {
	each := ""
	if len(lines) > 1 {
		each = "each "
	}
	return word + " { … } with " + strings.Join(lines, ", ") + " " + each + "on a line of its own"
}

// list is the words in alphabetical order.
func (w words[T]) list() []string { return slices.Sorted(maps.Keys(w)) }

// read goes through the lines of the block called in.
func (w words[T]) read(target *T, in string, lines []line) error {
	first := make(map[string]caddyfile.Token)
	for _, l := range lines {
		at, twice := first[l.word.Text]
		if twice && !w[l.word.Text].many {
			return errorAt(l.word, "%s stands twice in %s, the first time at %s", l.word.Text, in, place(at))
		}
		first[l.word.Text] = l.word
		if err := w.readOne(target, in, l); err != nil {
			return err
		}
	}
	return nil
}

// readOne does what one line says.
func (w words[T]) readOne(target *T, in string, l line) error {
	known, ok := w[l.word.Text]
	if !ok {
		return unknown(l.word, "word", in, w.list())
	}
	if err := known.check(l); err != nil {
		return err
	}
	return inWord(l.word, known.parse(target, l))
}

// check compares the line with the word's shape. Its errors count arguments and
// never show them: one may be a password.
func (w word[T]) check(l line) error {
	name, found := l.word.Text, len(l.args)
	switch {
	case found < w.least && found == 0:
		return errorAt(l.word, "nothing follows %s: write %s", name, w.usage)
	case found < w.least:
		return errorAt(l.word, "too few arguments after %s, found %d: write %s", name, found, w.usage)
	case w.most == 0 && found > 0:
		return errorAt(l.word, "%s takes no arguments, found %d: write %s", name, found, w.usage)
	case w.most > 0 && found > w.most:
		if whole, ok := closedUp(l.texts()...); ok && w.most == 1 && strings.HasSuffix(w.usage, " <duration>") {
			return errorAt(l.word, "too many arguments after %s, found %d: a duration has no spaces, write %s %s", name, found, name, whole)
		}
		return errorAt(l.word, "too many arguments after %s, found %d: write %s, and quote an argument that has spaces", name, found, w.usage)
	case !w.block && !w.needsBlock && l.block != nil:
		return errorAt(l.word, "%s takes no block: write %s", name, w.usage)
	case w.needsBlock && l.block == nil:
		return errorAt(l.word, "%s needs a block with something in it: write %s", name, w.usage)
	}
	return nil
}
