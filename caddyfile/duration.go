package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// What a word's duration looks like, for errors: what bounds a question takes
// seconds, what remembers takes minutes, and a session lasts for hours.
const (
	seconds = "1500ms or 4s"
	minutes = "90s or 15m"
	hours   = "8h or 30m"
)

// readDuration reads the first argument, which looks like the examples.
func readDuration(l line, examples string) (caddy.Duration, error) {
	text := l.args[0].Text
	duration, err := caddy.ParseDuration(text)
	if err == nil && duration > 0 {
		return caddy.Duration(duration), nil
	}
	if whole, ok := closedUp(text); ok {
		return 0, errorAt(l.args[0], "a duration has no spaces: write %s", whole)
	}
	return 0, errorAt(l.args[0], "%s is not a duration above zero such as %s", short(text), examples)
}

// closedUp is a duration that was written with spaces, as 8 h, without them.
func closedUp(texts ...string) (whole string, ok bool) {
	apart := strings.Fields(strings.Join(texts, " "))
	whole = strings.Join(apart, "")
	duration, err := caddy.ParseDuration(whole)
	return whole, len(apart) > 1 && err == nil && duration > 0
}
