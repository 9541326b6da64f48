package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// hintedAs is what a client is told and what the log says of a failed log-in.
type hintedAs struct {
	name, scheme, typed, password string
	hint                          string // part of the log's, empty for none
}

// TestDisplayNameIsTold: features C10. Somebody types the display name with the
// right password. The log says what is wanted; the client is told what a name that
// nobody has would be told, and the directory is asked no more.
func TestDisplayNameIsTold(t *testing.T) {
	const wanted = "is wanted, not the display name; caddy windows-auth check-user"
	t.Run("OpenLDAP", func(t *testing.T) {
		server := openLDAP(t)
		s := people(t, server, serviceWords, "\t\tthrottle off")
		s.awaitLine(t, "all is well")
		asked := -1
		for _, c := range []hintedAs{
			{"unknown", "--basic", "nobody", "Secr3t-anna", ""},
			{"display name", "--basic", "Anna Auer", "Secr3t-anna", "log-in name (sAMAccountName or UPN, or uid) " + wanted},
			{"of our domain", "--basic", `EXAMPLE\Anna Auer`, "Secr3t-anna", wanted},
			{"nobody's", "--basic", "Nobody Atall", "Secr3t-anna", wanted},
			{"wrong password", "--basic", "anna", "wrong", ""},
		} {
			before := binds(t, server)
			s.hints(t, c)
			cost := binds(t, server) - before
			if asked < 0 {
				asked = cost
			}
			if cost != asked {
				t.Errorf("%s: got %d binds, want %d as for an unknown name", c.name, cost, asked)
			}
		}
	})
	t.Run("names with spaces", func(t *testing.T) {
		s := people(t, openLDAP(t), serviceWords+"\nuser {\nattribute cn\n}", "")
		s.hints(t, hintedAs{"unknown", "--basic", "Anna Nobody", "Secr3t-anna", ""})
		if got := curl(t, "--basic", "-u", "Anna Auer:Secr3t-anna", s.HTTP+"/"); got.Status != 200 {
			t.Errorf("got %d, reason %s, want in by her cn", got.Status, s.reason(t))
		}
	})
	t.Run("Active Directory", func(t *testing.T) {
		s := start(t, siteConfig{Body: unthrottled})
		alice := lab.Account("alice")
		for _, c := range []hintedAs{
			{"unknown", "--basic", "nobody", alice.Password, ""},
			{"unknown", "--ntlm", "nobody", alice.Password, ""},
			{"display name", "--basic", alice.CN, alice.Password, wanted},
			{"display name", "--ntlm", alice.CN, alice.Password, "log-in name (sAMAccountName or UPN) " + wanted},
			{"of our domain", "--ntlm", `EXAMPLE\` + alice.CN, alice.Password, wanted},
			{"wrong password", "--basic", "alice", "wrong", ""},
			{"wrong password", "--ntlm", "alice", "wrong", ""},
		} {
			s.hints(t, c)
		}
		if err := domain.Unlock("alice"); err != nil {
			t.Error(err)
		}
	})
}

// hints checks that a log-in is refused, as every wrong one is, and what the log
// says with it.
func (s *site) hints(t *testing.T, c hintedAs) {
	t.Helper()
	got := curl(t, c.scheme, "-u", c.typed+":"+c.password, s.HTTP+"/")
	offered := curl(t, s.HTTP+"/")
	if got.Status != 401 || got.Body != offered.Body || !slices.Equal(got.Challenges, offered.Challenges) || !slices.Equal(fieldNames(got.Header), fieldNames(offered.Header)) {
		t.Errorf("%s %s: got %d %q %q\n%s\nwant what who says nothing is told:\n%s", c.name, c.scheme, got.Status, got.Body, got.Challenges, got.Header, offered.Header)
	}
	hint := s.hint(t)
	if s.reason(t) != "bad_credentials" || !strings.Contains(hint, c.hint) || c.hint == "" && strings.Contains(hint, "display name") {
		t.Errorf("%s %s: got reason %s, hint %q, want bad_credentials, %q", c.name, c.scheme, s.reason(t), hint, c.hint)
	}
}

// fieldNames are the names of the fields of a raw header, in order.
func fieldNames(raw string) []string {
	var names []string
	for line := range strings.Lines(raw) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		names = append(names, name)
	}
	return names
}
