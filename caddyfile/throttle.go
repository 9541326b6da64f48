package caddyfile

import (
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// throttleUsage is both ways to write the word.
var throttleUsage = "throttle off, or " + blockUsage("throttle", "attempts <number>", "window <duration>", "backoff <first> [<longest>]", "per_address <number>")

// throttleWords are the lines of a throttle block.
func throttleWords() words[caddyntlm.Throttle] {
	return words[caddyntlm.Throttle]{
		"attempts": {usage: "attempts <number>", least: 1, most: 1, parse: func(t *caddyntlm.Throttle, l line) (err error) {
			if t.Attempts, err = readCount(l, "3"); err != nil {
				return err
			}
			return fits(l, caddyntlm.Throttle{Attempts: t.Attempts})
		}},
		"window": {usage: "window <duration>", least: 1, most: 1, parse: func(t *caddyntlm.Throttle, l line) (err error) {
			if t.Window, err = readDuration(l, minutes); err != nil {
				return err
			}
			return fits(l, caddyntlm.Throttle{Window: t.Window})
		}},
		"backoff": {usage: "backoff <first> [<longest>]", least: 1, most: 2, parse: readBackoff},
		"per_address": {usage: "per_address <number>", least: 1, most: 1, parse: func(t *caddyntlm.Throttle, l line) (err error) {
			if t.PerAddress, err = readCount(l, "20"); err != nil {
				return err
			}
			return fits(l, caddyntlm.Throttle{PerAddress: t.PerAddress})
		}},
	}
}

func readBackoff(t *caddyntlm.Throttle, l line) (err error) {
	t.Backoff = new(caddyntlm.Backoff)
	if t.Backoff.First, err = readDuration(l, seconds); err != nil {
		return err
	}
	if len(l.args) == 2 {
		second := l
		second.args = l.args[1:]
		if t.Backoff.Longest, err = readDuration(second, seconds); err != nil {
			return err
		}
	}
	return fits(l, caddyntlm.Throttle{Backoff: t.Backoff})
}

// fits refuses what a line alone makes impossible, at its first argument.
func fits(l line, alone caddyntlm.Throttle) error {
	if err := alone.Check(); err != nil {
		return errorAt(l.args[0], "%w", err)
	}
	return nil
}

// readThrottle reads throttle off, or a block.
func readThrottle(a *handler, l line) error {
	a.Throttle = new(caddyntlm.Throttle)
	switch {
	case len(l.args) == 0 && l.block == nil:
		return errorAt(l.word, "nothing follows throttle: write %s", throttleUsage)
	case len(l.args) == 0:
		return throttleWords().read(a.Throttle, "throttle", l.block)
	case l.args[0].Text == "on":
		return errorAt(l.args[0], "throttle is on without a word: leave the line out, or write %s", throttleUsage)
	case l.args[0].Text != "off":
		return unknown(l.args[0], "word", "throttle", []string{"off"})
	case l.block != nil:
		return errorAt(l.args[0], "throttle off takes no block: write %s", throttleUsage)
	}
	a.Throttle.Off = true
	return nil
}
