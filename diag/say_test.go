package diag

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// evil is what a directory or a site may hold: it clears the screen, forges a line,
// turns the writing round and sounds the bell of eight-bit terminals.
const evil = "x\x1b[2J\nUser belongs to at least one group.\u202e\u009b1m\x07\xff"

// TestSay: what others choose reaches no terminal as it is, whichever way it is told.
func TestSay(t *testing.T) {
	var out strings.Builder
	id := identity.New(identity.Account{DN: evil, SAM: evil, DisplayName: evil, Mail: evil, UPN: evil, Server: evil, Groups: []identity.Group{{Name: evil, DN: evil}}}, policy.FoldDN)
	for name, tell := range map[string]func(){
		"describe":    func() { describe(&out, id, nil) },
		"observation": func() { (&configCheck{out: &out}).tell(caddyldap.Observation{About: "tls", Text: evil, Hint: evil}) },
		"finding":     func() { tell(&out, &policy.Finding{Rule: evil, Why: evil}, 0) },
		"report":      func() { _ = report(&out, &advice{errors.New(evil), evil}) },
		"a leg":       func() { (&siteClient{out: &out}).say("leg 2: %s", evil) },
		"stringer":    func() { say(&out, "%s\n", identity.Name{User: evil}) },
		"list":        func() { say(&out, "%s\n", []string{evil}) },
	} {
		out.Reset()
		tell()
		got := out.String()
		if strings.ContainsAny(got, "\x1b\u202e\u009b\x07") || !utf8.ValidString(got) || strings.Contains(got, "\nUser belongs") {
			t.Errorf("%s: got %q, want nothing that moves a terminal", name, got)
		}
		if !strings.Contains(got, `x\x1b[2J`) {
			t.Errorf("%s: got %q, want what cannot be printed escaped", name, got)
		}
	}
	if got, want := plain("Jörg\tMüller\n€", "\n\t"), "Jörg\tMüller\n€"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
