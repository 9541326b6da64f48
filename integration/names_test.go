package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestGroupsByUIDOfTwo: a group that names its members by uid does not take in
// whoever has the same uid elsewhere, beyond the base DNs.
func TestGroupsByUIDOfTwo(t *testing.T) {
	s := people(t, openLDAP(t), "base_dn ou=partners,"+slapd.Base+"\n"+serviceWords, "\t\trequire group wheel")
	got := curl(t, "--basic", "-u", "dora:Secr3t-partner", s.HTTP+"/")
	if got.Status != 401 || s.reason(t) != "ambiguous" {
		t.Errorf("got %d %s, reason %s, want 401 and ambiguous", got.Status, got.Body, s.reason(t))
	}
}

// TestMissingBaseIsTold: the log names the base DN that does not exist, where
// somebody is not found, and each of them where none exists.
func TestMissingBaseIsTold(t *testing.T) {
	server := openLDAP(t)
	gone, lost := "ou=gone,"+slapd.Base, "o=lost"
	for _, c := range []struct {
		bases, logger, level string
		names                []string
	}{
		{gone + " ou=people," + slapd.Base, "ldap", "warn", []string{gone}},
		{gone + " " + lost, "http.handlers.windows_auth", "error", []string{gone, lost}},
	} {
		s := people(t, server, "base_dn "+c.bases+"\n"+serviceWords, "")
		curl(t, "--basic", "-u", "nobody:x", s.HTTP+"/")
		told := slices.ContainsFunc(s.lines(t, c.logger), func(e entry) bool {
			return e.text("level") == c.level && !slices.ContainsFunc(c.names, func(name string) bool {
				return !strings.Contains(e.text("error"), name) || !strings.Contains(e.text("hint"), name)
			})
		})
		if !told {
			t.Errorf("%s: nothing at %s names %q\n%s", c.bases, c.level, c.names, s.logText(t))
		}
	}
}

// TestUnknownNamesTakeAsLong: the answer to a name that nobody has comes neither
// sooner nor later than to one that somebody has, with passwords in the clear and
// with a hash that takes a while (threats F-09).
func TestUnknownNamesTakeAsLong(t *testing.T) {
	server := openLDAP(t)
	s := people(t, server, serviceWords, "\t\tthrottle off")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	ask := func(user string) time.Duration {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTP+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth(user, "wrong")
		began := time.Now()
		response, err := client.Do(request)
		took := time.Since(began)
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%s: got %d", user, response.StatusCode)
		}
		return took
	}
	for _, c := range []struct {
		known   string
		samples int
		apart   time.Duration // at most, or a tenth
	}{{"anna", 2000, time.Millisecond}, {"slow", 100, 5 * time.Millisecond}} { // few samples of the slow one spread
		for range 64 { // as many as are remembered
			ask(c.known)
		}
		unknown := [...]string{"nobody", "twin", `OTHER\nobody`, "Anna Auer"}
		differ := func() bool {
			var known, others []time.Duration
			for i := range c.samples {
				known, others = append(known, ask(c.known)), append(others, ask(unknown[i%len(unknown)]))
			}
			a, b := median(known), median(others)
			t.Logf("%s: known %v, unknown %v in the middle", c.known, a, b)
			far := (a - b).Abs()
			return far > c.apart && far > a/10
		}
		// What the server does shows each time, what else the machine does only sometimes.
		apart := 0
		for apart < 3 && differ() {
			apart++
		}
		if apart == 3 {
			t.Errorf("%s: names that nobody has are told apart by the time", c.known)
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
