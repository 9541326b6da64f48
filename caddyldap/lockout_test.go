package caddyldap

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

func TestInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"-18000000000": 30 * time.Minute, "-1": 100, "-600000000": time.Minute, "-59999400000000": 99999 * time.Minute,
		"-9223372036854775808": longestObservation, "-9223372036854775807": longestObservation, "-9223372036854775809": 0,
		"0": 0, "18000000000": 0, "9223372036854775807": 0, "": 0, "never": 0, "-1.5": 0,
		strconv.FormatInt(-int64(longestObservation/100), 10): longestObservation,
	} {
		if got := interval(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestReadLockout(t *testing.T) {
	for threshold, want := range map[string]lockout{
		"3": {true, 3, 30 * time.Minute}, "0": {true, 0, 30 * time.Minute}, "65535": {true, 65535, 30 * time.Minute},
		"": {}, "-1": {}, "x": {}, strconv.Itoa(math.MaxInt32 + 1): {},
	} {
		e := entryOf("DC=x", map[string][]string{"lockoutThreshold": {threshold}, "lockOutObservationWindow": {"-18000000000"}})
		if got := readLockout(e, "lockoutThreshold", "lockOutObservationWindow"); got != want {
			t.Errorf("%q: got %v, want %v", threshold, got, want)
		}
	}
	if got := readLockout(nil, "a", "b"); got.known {
		t.Errorf("no entry: got %v", got)
	}
}

func TestCarefulLockout(t *testing.T) {
	for name, c := range map[string]struct{ domain, want lockout }{
		"not known": {lockout{}, lockout{true, 3, 30 * time.Minute}},
		"none":      {lockout{true, 0, 10 * time.Minute}, lockout{true, 3, 30 * time.Minute}},
		"lax":       {lockout{true, 10, time.Hour}, lockout{true, 3, time.Hour}},
		"strict":    {lockout{true, 2, time.Minute}, lockout{true, 2, 30 * time.Minute}},
	} {
		if got := c.domain.careful(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func FuzzSpell(f *testing.F) {
	for _, seed := range []string{"alice", "ＡＬＩＣＥ", "Straße", "\u212a", "a\u0301", "\xff", "@", `\`, "$$", "ﷺ", strings.Repeat("ﷺ", 80)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := spell(text)
		if len(once) > maxSpelling {
			t.Fatalf("%q: %d bytes, and %d are the most", text, len(once), maxSpelling)
		}
		if again := spell(once); again != once {
			t.Fatalf("%q: got %q and then %q", text, once, again)
		}
		if folded := spell(identity.Fold(text)); folded != once {
			t.Fatalf("%q: got %q, and %q of what directories take for the same", text, once, folded)
		}
		n := identity.ParseName(text)
		spelling(n)
		senses(n, "example.test")
		canonicalName(text)
	})
}

// TestCarefulUntilKnown: an account with a finer policy that cannot be read, or of which
// nothing is known yet, bears less than the domain says (threats F-11).
func TestCarefulUntilKnown(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) {
		c.LockoutThreshold = 10
		c.Users[0].Attributes = map[string][]string{"msDS-ResultantPSO": {"CN=Hidden,CN=Password Settings Container,CN=System,DC=example,DC=test"}}
	})
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	for _, typed := range []string{"alice", "bob", "nobody"} {
		if got := d.FindAccount(t.Context(), identity.ParseName(typed)); got.Threshold != assumedThreshold || got.Observation != assumedObservation {
			t.Errorf("%s, at first: got %v", typed, got)
		}
	}
	awaited(t, d, "bob", 10)
	awaited(t, d, "nobody", 10)
	if got := awaited(t, d, "alice", assumedThreshold); got.Observation != assumedObservation {
		t.Errorf("alice: got %v", got)
	}
}

// TestPolicyChanges: who lowers the threshold is heard.
func TestPolicyChanges(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.LockoutThreshold = 10 })
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	pass := clockOf(d)
	awaited(t, d, "bob", 10)
	d.lockouts.mu.Lock()
	d.lockouts.domain.threshold = 5 // as if it had been read so
	d.lockouts.mu.Unlock()
	awaited(t, d, "bob", 5)
	pass(policyAge + time.Second)
	awaited(t, d, "bob", 10)
}

// TestSelfTestTellsLockout: the log says how many wrong passwords the domain bears.
func TestSelfTestTellsLockout(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.LockoutThreshold = 5 })
	d, logs := open(t, demoDirectory(s), "EXAMPLE")
	d.selfTest(t.Context())
	lines := logs.FilterMessage("self-test: 5 wrong passwords lock an account").All()
	if len(lines) != 1 || lines[0].ContextMap()["observation"] != 10*time.Minute || lines[0].Level != zap.InfoLevel {
		t.Errorf("got %v", lines)
	}
	for _, e := range logs.FilterLevelExact(zap.WarnLevel).All() {
		if strings.Contains(e.Message, "wrong password") {
			t.Errorf("got %v", e)
		}
	}
}

// TestSelfTestWarnsOfTightLockout: a threshold below which nothing can be kept for anybody is
// told at once, with the cure.
func TestSelfTestWarnsOfTightLockout(t *testing.T) {
	for threshold, want := range map[int]string{1: "self-test: 1 wrong password locks an account", 2: "self-test: 2 wrong passwords lock an account"} {
		s := startDemo(t, func(c *demodir.Config) { c.LockoutThreshold = threshold })
		d, logs := open(t, demoDirectory(s), "EXAMPLE")
		d.selfTest(t.Context())
		lines := logs.FilterMessage(want).All()
		if len(lines) != 1 || lines[0].Level != zap.WarnLevel || !strings.Contains(lines[0].ContextMap()["hint"].(string), "raise the account lockout threshold") {
			t.Errorf("%d: got %v", threshold, lines)
		}
	}
}

// TestNamesThatAreNotSent: threats F-10. Behind these a client could write anything and
// always mean one account.
func TestNamesThatAreNotSent(t *testing.T) {
	s := startDemo(t, nil)
	for _, service := range []bool{true, false} {
		config := demoDirectory(s)
		if !service {
			config.ServiceAccount = nil
		}
		d, _ := open(t, config, "EXAMPLE")
		for typed, want := range map[string]identity.Kind{
			"<SID=S-1-5-21-1-2-3-500>;CN=x@y,DC=z": identity.KindBadName, " <GUID=0>": identity.KindBadName, `<SID=x>\y`: identity.KindBadName,
			`CN=Alice\20Archer,OU=Staff,DC=example,DC=test`: identity.KindMismatch,
		} {
			before := s.BadPasswords("alice")
			if _, err := logIn(t, d, typed, "wrong"); identity.KindOf(err) != want {
				t.Errorf("%q: got %v, want %v", typed, err, want)
			}
			if got := s.BadPasswords("alice"); got != before {
				t.Errorf("%q: a wrong password was counted", typed)
			}
		}
	}
}

// TestRelayReadsAlike: threats F-10. A name that the controller would read otherwise than
// the one who counts is not passed on.
func TestRelayReadsAlike(t *testing.T) {
	s := startDemo(t, nil)
	d, _ := open(t, demoDirectory(s), "EXAMPLE")
	for agreed, want := range map[byte]identity.Kind{
		2: identity.KindBadToken, // OEM, and the message says that it is of Unicode
		1: identity.KindBadName,  // Unicode, and of OEM: each letter with a NUL behind it
	} {
		client := &ntlm.Client{User: "alicealice", Domain: "EXAMPLE", Password: "Secr3t-alice"}
		negotiate := slices.Clone(client.Negotiate())
		negotiate[12] = negotiate[12]&^3 | agreed
		x, err := d.NTLMVerifier().StartNTLM(t.Context(), negotiate, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Authenticate(x.Challenge())
		if err != nil {
			t.Fatal(err)
		}
		flags := slices.Clone(answer)
		flags[60] ^= 1 // NTLMSSP_NEGOTIATE_UNICODE of the AUTHENTICATE_MESSAGE alone
		if _, err := x.Finish(t.Context(), flags); identity.KindOf(err) != want {
			t.Errorf("%d: got %v, want %v", agreed, err, want)
		}
	}
}
