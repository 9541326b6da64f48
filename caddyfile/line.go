package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// line is a word, its arguments and the lines of its block. An empty block
// reads as none.
type line struct {
	word   caddyfile.Token
	args   []caddyfile.Token
	block  []line
	tokens []caddyfile.Token // all of it, as written
}

// readLine reads a word with all that belongs to it, blocks within blocks. A
// brace that closes a block on the line of a word would pass for one of its
// arguments: a backslash at the end of a line brings it there.
func readLine(tokens []caddyfile.Token) (line, error) {
	d := caddyfile.NewDispenser(tokens)
	d.Next()
	l := line{word: d.Token(), args: d.RemainingArgsAsTokens(), tokens: tokens}
	for _, arg := range l.args {
		if arg.Text == "}" && !arg.Quoted() {
			return line{}, errorAt(arg, "a closing brace after %s: write it on a line of its own, and no backslash at the end of the line before", short(l.word.Text))
		}
	}
	for d.NextBlock(0) {
		inner, err := readLine(d.NextSegment())
		if err != nil {
			return line{}, err
		}
		l.block = append(l.block, inner)
	}
	return l, nil
}

// shift drops the word, so that the first argument becomes the word:
// "require group HR" is then "group HR".
func (l line) shift() line {
	return line{word: l.args[0], args: l.args[1:], block: l.block, tokens: l.tokens[1:]}
}

// texts are the arguments without their places.
func (l line) texts() []string {
	texts := make([]string, len(l.args))
	for i, arg := range l.args {
		texts[i] = arg.Text
	}
	return texts
}

// written are the arguments as a person would write them.
func (l line) written() string {
	texts := make([]string, len(l.args))
	for i, arg := range l.args {
		texts[i] = written(arg)
	}
	return strings.Join(texts, " ")
}
