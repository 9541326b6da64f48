package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func mustSID(t testing.TB, text string) SID {
	t.Helper()
	sid, err := ParseSID(text)
	if err != nil {
		t.Fatalf("ParseSID(%q): %v", text, err)
	}
	return sid
}

func TestSIDText(t *testing.T) {
	for _, text := range []string{
		"S-1-5-7", "S-1-1-0", "S-1-5-32-544", "S-1-5-21-4294967295-0-1-500",
		"S-1-0x123456789abc-1", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15",
	} {
		sid := mustSID(t, text)
		if got := sid.String(); got != text {
			t.Errorf("String() of %s: got %s", text, got)
		}
		back, err := SIDFromBytes(sid.Bytes())
		if err != nil || back != sid {
			t.Errorf("SIDFromBytes of %s: got %v, %v", text, back, err)
		}
	}
}

func TestSIDRefused(t *testing.T) {
	for _, text := range []string{
		"", "S-1", "S-1-5", "S-2-5-7", "S-1-5-4294967296", "S-1-5--1", "S-1-5-x", "1-5-7",
		"S-1-281474976710656-1", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
	} {
		if sid, err := ParseSID(text); err == nil {
			t.Errorf("ParseSID(%q): got %v, want an error", text, sid)
		}
	}
	for _, raw := range [][]byte{nil, {1}, {1, 0, 0, 0, 0, 0, 0, 5}, {1, 1, 0, 0, 0, 0, 0, 5, 7}, {2, 1, 0, 0, 0, 0, 0, 5, 7, 0, 0, 0}, {1, 2, 0, 0, 0, 0, 0, 5, 7, 0, 0, 0}} {
		if sid, err := SIDFromBytes(raw); err == nil {
			t.Errorf("SIDFromBytes(%x): got %v, want an error", raw, sid)
		}
	}
}

func TestSIDParts(t *testing.T) {
	sid := mustSID(t, "S-1-5-21-1-2-3-1104")
	if got := sid.Domain().String(); got != "S-1-5-21-1-2-3" {
		t.Errorf("Domain: got %s", got)
	}
	if got := sid.RID(); got != 1104 {
		t.Errorf("RID: got %d", got)
	}
	if got := SIDAnonymous.Domain(); !got.IsZero() {
		t.Errorf("Domain of S-1-5-7: got %v, want none", got)
	}
}

func TestSIDNobody(t *testing.T) {
	for text, want := range map[string]bool{
		"S-1-5-7": true, "S-1-5-21-1-2-3-501": true, "S-1-5-21-1-2-3-500": false, "S-1-5-21-1-2-3-1501": false,
	} {
		if got := mustSID(t, text).IsNobody(); got != want {
			t.Errorf("IsNobody(%s): got %v, want %v", text, got, want)
		}
	}
}

func TestSIDSmallestDomain(t *testing.T) {
	if got := mustSID(t, "S-1-5-32-544").Domain(); got != SIDBuiltin {
		t.Errorf("got %v, want %v", got, SIDBuiltin)
	}
}

func FuzzParseSID(f *testing.F) {
	for _, seed := range []string{"S-1-5-7", "S-1-5-21-1-2-3-500", "S-1-0x123456789abc-1", "S-1-0x5-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sid, err := ParseSID(text)
		if err != nil {
			return
		}
		again, err := ParseSID(sid.String())
		if err != nil || again != sid {
			t.Fatalf("%q became %s and then %v, %v", text, sid, again, err)
		}
	})
}

func TestNames(t *testing.T) {
	tests := map[string]struct {
		want Name
		bad  bool
	}{
		`alice`:                         {want: Name{User: "alice"}},
		`EXAMPLE\alice`:                 {want: Name{Domain: "EXAMPLE", User: "alice"}},
		`EXAMPLE\al\ice`:                {want: Name{Domain: "EXAMPLE", User: `al\ice`}},
		`alice@example.test`:            {want: Name{User: "alice@example.test"}},
		``:                              {bad: true},
		`EXAMPLE\`:                      {want: Name{Domain: "EXAMPLE"}, bad: true},
		"  \t":                          {want: Name{User: "  \t"}, bad: true},
		"al\x00ice":                     {want: Name{User: "al\x00ice"}, bad: true},
		"al\nice":                       {want: Name{User: "al\nice"}, bad: true},
		"al\xffice":                     {want: Name{User: "al\xffice"}, bad: true},
		strings.Repeat("a", 256):        {want: Name{User: strings.Repeat("a", 256)}},
		strings.Repeat("a", 257):        {want: Name{User: strings.Repeat("a", 257)}, bad: true},
		strings.Repeat("d", 257) + `\a`: {want: Name{Domain: strings.Repeat("d", 257), User: "a"}, bad: true},
	}
	for typed, test := range tests {
		got := ParseName(typed)
		if got != test.want {
			t.Errorf("ParseName(%.20q): got %q, want %q", typed, got, test.want)
		}
		err := got.Check()
		if (err != nil) != test.bad {
			t.Errorf("Check of %.20q: got %v, want bad %v", typed, err, test.bad)
		}
		if test.bad && KindOf(err) != KindBadName {
			t.Errorf("Check of %.20q: got kind %v", typed, KindOf(err))
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	const password = "Secr3t-alice"
	s := NewSecret(password)
	holder := struct{ Password Secret }{s}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	prints := []string{string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		prints = append(prints, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder))
	}
	for _, text := range prints {
		if strings.Contains(text, "Secr3t") || strings.Contains(text, fmt.Sprintf("%x", password)) {
			t.Errorf("a secret printed: %s", text)
		}
	}
	if s.Reveal() != password {
		t.Error("Reveal lost the password")
	}
}

func TestSecretBlank(t *testing.T) {
	for password, want := range map[string]bool{"": true, " ": true, "\t \t": true, "\r\n": true, "x": false, " x": false, "\x00": false} {
		if got := NewSecret(password).Blank(); got != want {
			t.Errorf("Blank(%q): got %v, want %v", password, got, want)
		}
	}
}

func TestEveryKindHasAWord(t *testing.T) {
	seen := make(map[string]Kind)
	for _, kind := range Kinds() {
		word := kind.String()
		if strings.HasPrefix(word, "kind_") {
			t.Errorf("kind %d has no word", kind)
		}
		if other, twice := seen[word]; twice {
			t.Errorf("kinds %d and %d are both %q", kind, other, word)
		}
		seen[word] = kind
	}
}

func TestKindOf(t *testing.T) {
	wrapped := fmt.Errorf("asking: %w", Fail(KindLocked, errors.New("data 775")))
	if got := KindOf(wrapped); got != KindLocked {
		t.Errorf("got %v", got)
	}
	if got := KindOf(errors.New("anything")); got != KindInternal {
		t.Errorf("an error without a kind: got %v, want internal", got)
	}
}

type closer struct{ closed int }

func (c *closer) Close() error { c.closed++; return nil }

func TestPrincipalClosesOnce(t *testing.T) {
	c := new(closer)
	p := Prove(Proof{Evidence: c})
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if c.closed != 1 || p.Evidence() != nil {
		t.Errorf("closed %d times, evidence %v", c.closed, p.Evidence())
	}
}

// TestLower: nobody becomes somebody else in lower case.
func TestLower(t *testing.T) {
	for name, want := range map[string]string{"ALICE": "alice", "MÜLLER": "müller", "\u212aarl": "\u212aarl", "İvan": "İvan"} {
		if got := Lower(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
