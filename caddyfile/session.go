package caddyfile

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

var sessionUsage = "session, or " + blockUsage("session", "ttl <duration>", "idle <duration>", "cookie <name>")

// sessionWords are the lines of a session block.
func sessionWords() words[caddyntlm.Session] {
	return words[caddyntlm.Session]{
		"ttl": {usage: "ttl <duration>", least: 1, most: 1, parse: func(s *caddyntlm.Session, l line) (err error) {
			s.TTL, err = readDuration(l, hours)
			return err
		}},
		"idle": {usage: "idle <duration>", least: 1, most: 1, parse: func(s *caddyntlm.Session, l line) (err error) {
			s.Idle, err = readDuration(l, hours)
			return err
		}},
		"cookie": {usage: "cookie <name>", least: 1, most: 1, parse: func(s *caddyntlm.Session, l line) error {
			s.Cookie = l.args[0].Text
			if err := caddyntlm.CheckSession(&caddyntlm.Session{Cookie: s.Cookie}); err != nil {
				return errorAt(l.args[0], "%w", err)
			}
			return nil
		}},
	}
}

func readSession(a *handler, l line) error {
	a.Session = new(caddyntlm.Session)
	if err := sessionWords().read(a.Session, "session", l.block); err != nil {
		return err
	}
	if err := caddyntlm.CheckSession(a.Session); err != nil {
		return errorAt(lineToMend(l, err), "%w", err)
	}
	return nil
}

// lineToMend is the word within a block that an error is about, and the block's
// own where none of its words is named.
func lineToMend(block line, err error) caddyfile.Token {
	for _, inner := range block.block {
		if strings.HasPrefix(err.Error(), block.word.Text+": "+inner.word.Text+" ") {
			return inner.word
		}
	}
	return block.word
}
