package caddyldap

import (
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// TestNamesInTheUserField: threats B-10. What a client writes where its name
// belongs goes to the controller as it is, or to nobody; who it is comes from
// the controller alone.
func TestNamesInTheUserField(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	const unasked = identity.KindBadName
	for _, c := range []struct {
		name, user, domain string
		want               identity.Kind // KindInternal for success
	}{
		{"plain", "alice", "EXAMPLE", 0},
		{"other capitals", "ALICE", "EXAMPLE", 0},
		{"UPN", "alice@example.test", "", 0},
		{"empty, with a response", "", "EXAMPLE", unasked},
		{"one space", " ", "EXAMPLE", unasked},
		{"spaces and a tab", " \t ", "EXAMPLE", unasked},
		{"no-break space alone", "\u00a0", "EXAMPLE", unasked},
		{"NUL at the end", "alice\x00", "EXAMPLE", unasked},
		{"NUL inside", "alice\x00x", "EXAMPLE", unasked},
		{"NUL in the domain", "alice", "EXAMPLE\x00", unasked},
		{"line end", "alice\r\nbob", "EXAMPLE", unasked},
		{"escape", "\x1b[31malice", "EXAMPLE", unasked},
		{"next line, U+0085", "alice\u0085", "EXAMPLE", unasked},
		{"delete", "alice\x7f", "EXAMPLE", unasked},
		{"257 characters", strings.Repeat("a", 257), "EXAMPLE", unasked},
		{"a domain of 257", "alice", strings.Repeat("E", 257), unasked},
		{"256 characters", strings.Repeat("a", 256), "EXAMPLE", identity.KindBadCredentials},
		{"another suffix", "alice@evil.example.org", "", identity.KindBadCredentials},
		{"two suffixes", "alice@example.test@evil.example.org", "", identity.KindBadCredentials},
		{"a domain inside", `EXAMPLE\alice`, "", identity.KindBadCredentials},
		{"another domain inside", `EVIL\alice`, "EXAMPLE", identity.KindBadCredentials},
		{"dot at the end", "alice.", "EXAMPLE", identity.KindBadCredentials},
		{"space at the end", "alice ", "EXAMPLE", identity.KindBadCredentials},
		{"space before", " alice", "EXAMPLE", identity.KindBadCredentials},
		{"dollar at the end", "alice$", "EXAMPLE", identity.KindBadCredentials},
		{"a pattern", "a*", "EXAMPLE", identity.KindBadCredentials},
		{"a filter", "*)(sAMAccountName=alice", "EXAMPLE", identity.KindBadCredentials},
		{"a DN", "CN=Alice Archer,OU=Staff,DC=example,DC=test", "", identity.KindBadCredentials},
		{"a SID", "S-1-5-21-1-2-3-500", "", identity.KindBadCredentials},
		{"letters that look alike", "аlice", "EXAMPLE", identity.KindBadCredentials}, // the first is Cyrillic
		{"full width", "ａｌｉｃｅ", "EXAMPLE", identity.KindBadCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, authenticate := answered(t, d, &ntlm.Client{Domain: c.domain, User: c.user, Password: "Secr3t-alice"})
			defer func() { _ = x.Close() }()
			p, err := x.Finish(t.Context(), authenticate)
			if c.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				id, err := d.Resolve(t.Context(), p)
				if err != nil || id.Logon() != `EXAMPLE\alice` {
					t.Errorf("got %v, want alice as the directory writes it", err)
				}
				return
			}
			if p != nil || identity.KindOf(err) != c.want {
				t.Fatalf("got %v, %v, want %v", p, err, c.want)
			}
			if e, ok := err.(*identity.Error); !ok || e.Claimed != (identity.Name{Domain: c.domain, User: c.user}) {
				t.Errorf("got %#v, want the claimed name as it came", err)
			}
		})
	}
}

// TestTypedNamesAreNotMended: threats B-10, of a simple bind, where the typed
// name is made a bind name: nothing is cut off, folded or filled in that would
// make it somebody else's.
func TestTypedNamesAreNotMended(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	for typed, want := range map[string]identity.Kind{
		"alice.": identity.KindBadCredentials, "alice ": identity.KindBadCredentials, " alice": identity.KindBadCredentials,
		"alice$": identity.KindBadCredentials, "alice@evil.example.org": identity.KindBadCredentials, `EVIL\alice`: identity.KindBadCredentials,
		`EXAMPLE\EXAMPLE\alice`: identity.KindBadCredentials, `EVIL\alice@example.test`: identity.KindBadCredentials,
		`.\alice`: identity.KindBadCredentials, "alice@example.test@evil.example.org": identity.KindBadCredentials, "аlice": identity.KindBadCredentials,
		"  ": identity.KindBadName, `EXAMPLE\`: identity.KindBadName, `EXAMPLE\ `: identity.KindBadName, "alice\x00": identity.KindBadName,
		"alice\n": identity.KindBadName, strings.Repeat("a", 257): identity.KindBadName,
	} {
		if id, err := logIn(t, d, typed, "Secr3t-alice"); identity.KindOf(err) != want {
			t.Errorf("%q: got %v, %v, want %v", typed, id, err, want)
		}
	}
}

// TestDomainsInTheDomainField: threats B-11. The domain of an identity is the
// controller's; one that the client names is that, or none, or the end.
func TestDomainsInTheDomainField(t *testing.T) {
	d, _ := open(t, demoDirectory(startDemo(t, nil)), "EXAMPLE")
	for domain, want := range map[string]identity.Kind{
		"": 0, "EXAMPLE": 0, "example": 0, "example.test": 0, "EXAMPLE.TEST": 0,
		".": identity.KindMismatch, "WORKSTATION7": identity.KindMismatch, "OTHER": identity.KindMismatch, "CHILD": identity.KindMismatch,
		"child.example.test": identity.KindMismatch, "test": identity.KindMismatch, "EXAMPLE ": identity.KindMismatch,
		"EXAMPLE.": identity.KindMismatch, "example.test.": identity.KindMismatch, "BUILTIN": identity.KindMismatch, "EXÄMPLE": identity.KindMismatch,
		"127.0.0.1": identity.KindMismatch, "*": identity.KindMismatch,
	} {
		id, err := logInNTLM(t, d, &ntlm.Client{Domain: domain, User: "alice", Password: "Secr3t-alice"})
		switch {
		case want == 0 && (err != nil || id.Domain != "EXAMPLE" || id.DNSDomain != "example.test"):
			t.Errorf("%q: got %v, want alice of EXAMPLE", domain, err)
		case want != 0 && identity.KindOf(err) != want:
			t.Errorf("%q: got %v, %v, want %v", domain, id, err, want)
		}
	}
}
