package integration

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// twoOpenLDAPs runs two servers with the same entries, and writes down both
// authorities in one file.
func twoOpenLDAPs(t *testing.T) (servers [2]*slapd.Server, ca string) {
	t.Helper()
	var both []byte
	for i := range servers {
		servers[i] = openLDAP(t)
		pem, err := os.ReadFile(servers[i].CA)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, pem...)
	}
	ca = filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(ca, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return servers, ca
}

func do(t *testing.T, what string, act func() error) {
	t.Helper()
	if err := act(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestFailoverOfOpenLDAP: threats E-01, E-03, E-04 at real slapds, whichever stands
// first. A server is killed while log-ins are under way, then the other hangs,
// then one comes back.
func TestFailoverOfOpenLDAP(t *testing.T) {
	servers, ca := twoOpenLDAPs(t)
	for name, order := range map[string][2]int{"first": {0, 1}, "second": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			first, second := servers[order[0]], servers[order[1]]
			s := start(t, siteConfig{
				Servers: first.LDAPS + " " + second.LDAPS, CA: ca, LDAP: serviceWords + "\ncache {\nttl 1s\n}\nverify bind",
				Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire group everybody\n\t}\n\trespond \"{http.auth.user.id}\"\n",
			})
			ask := func() answer { return curl(t, "--basic", "-u", "anna:Secr3t-anna", s.HTTP+"/") }
			s.awaitLine(t, "all is well") // the pool has both servers while the self-test takes the first one's connection
			if got := ask(); got.Status != 200 || s.server(t) != strings.TrimPrefix(first.LDAPS, "ldaps://") {
				t.Fatalf("both up: got %d from %s, reason %s", got.Status, s.server(t), s.reason(t))
			}

			var wg sync.WaitGroup
			var killed atomic.Bool
			for range 4 {
				wg.Go(func() {
					for range 25 {
						late := killed.Load()
						got := ask()
						if got.Status != 200 && (late || got.Status != 503 || len(got.Challenges) > 0) || got.Duration > 10*time.Second {
							t.Errorf("the first killed (before: %v): got %d after %v, challenges %q", late, got.Status, got.Duration, got.Challenges)
						}
					}
				})
			}
			time.Sleep(50 * time.Millisecond)
			do(t, "killing the first", first.Kill)
			killed.Store(true)
			wg.Wait()
			time.Sleep(1100 * time.Millisecond) // what the first has answered is remembered for the ttl, on a quick machine for all of the above
			if got := ask(); got.Status != 200 {
				t.Errorf("the first down for a ttl: got %d, reason %s", got.Status, s.reason(t))
			}
			if got := s.server(t); got != strings.TrimPrefix(second.LDAPS, "ldaps://") {
				t.Errorf("the first down: %s served, want the second", got)
			}

			do(t, "freezing the second", second.Freeze)
			if got := ask(); got.Status != 503 || len(got.Challenges) > 0 || headerOf(got.Header, "Retry-After") == "" || got.Duration > 11*time.Second {
				t.Errorf("one down, the other hanging: got %d after %v, challenges %q, want 503 within 10 s", got.Status, got.Duration, got.Challenges)
			}
			do(t, "bringing the first back", first.Restart)
			back := time.Now()
			for ask().Status != 200 {
				if time.Since(back) > 5*time.Second {
					t.Fatalf("back for %v and not used; reason %s", time.Since(back), s.reason(t))
				}
				time.Sleep(50 * time.Millisecond)
			}
			t.Logf("in use %v after it answered again", time.Since(back))
			do(t, "thawing the second", second.Thaw)
		})
	}
}
