package caddyfile

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// verifierWords are the words after verify, each a module of ldap.verifiers.
func verifierWords() words[directory] {
	return words[directory]{
		"bind":  {usage: "verify bind", parse: verifyPlain},
		"relay": {usage: "verify relay", parse: verifyPlain},
	}
}

// readVerify reads one way to decide; each may stand once.
func readVerify(d *directory, l line) error {
	way := l.shift()
	name := way.word.Text
	if _, known := verifierWords()[name]; !known {
		return unknown(way.word, "verifier", "verify", verifierWords().list())
	}
	if at, twice := d.verifiers[name]; twice {
		return errorAt(way.word, "verify %s stands twice, the first time at %s", name, place(at))
	}
	if d.verifiers == nil {
		d.verifiers = make(map[string]caddyfile.Token)
	}
	d.verifiers[name] = way.word
	return verifierWords().readOne(d, "verify", way)
}

// verifyPlain adds a verifier that needs nothing but its name.
func verifyPlain(d *directory, l line) error {
	raw, err := json.Marshal(map[string]string{"verifier": l.word.Text})
	if err != nil {
		return errorAt(l.word, "%w", err)
	}
	d.VerifyRaw = append(d.VerifyRaw, raw)
	return nil
}
