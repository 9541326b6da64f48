package integration

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// figures are what Caddy's admin endpoint gives out at /metrics, by the name with
// its labels in braces.
func figures(t *testing.T, admin string) map[string]float64 {
	t.Helper()
	got := curl(t, "http://"+admin+"/metrics")
	if got.Status != 200 {
		t.Fatalf("/metrics: got %d %s", got.Status, got.Body)
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(got.Body)); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), "} ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			all[strings.TrimPrefix(name, "caddy_windows_auth_")+"}"] = value
		}
	}
	return all
}

// TestMetricsOfLogIns: features B18. The figures after log-ins of each sort at the
// real domain controllers, and after one of them went down and came back.
func TestMetricsOfLogIns(t *testing.T) {
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(t, siteConfig{
		Admin: admin, LDAP: "pool {\nsize 1\n}\nservice_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password,
		Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\tthrottle off\n\t\trequire group \"Web Users\"\n\t}\n\trespond in\n",
	})
	s.awaitLine(t, "all is well")
	first, second := domain.Addr(1)+":636", domain.Addr(2)+":636"
	up := func(server string) string {
		return fmt.Sprintf(`ldap_server_up{directory="EXAMPLE",server=%q}`, server)
	}
	decided := func(event, reason, scheme, verifier string) string {
		directory := "EXAMPLE"
		if scheme == "" {
			directory = "" // none was chosen
		}
		return fmt.Sprintf(`decisions_total{directory=%q,event=%q,reason=%q,scheme=%q,verifier=%q}`, directory, event, reason, scheme, verifier)
	}
	took := func(scheme, verifier string) string {
		return fmt.Sprintf(`login_duration_seconds_count{scheme=%q,verifier=%q}`, scheme, verifier)
	}
	connected := func(server string) string {
		return fmt.Sprintf(`ldap_connections_total{directory="EXAMPLE",outcome="ok",server=%q}`, server)
	}
	asked := fmt.Sprintf(`ldap_exchange_duration_seconds_count{directory="EXAMPLE",server=%q}`, first)

	before := figures(t, admin)
	live := dial(t, s.HTTP)
	for what, status := range map[string]int{
		"alice by NTLM":          live.logIn(t, "alice") - 200,
		"alice by password":      curl(t, "--basic", "-u", "alice:"+lab.Account("alice").Password, s.HTTP+"/").Status - 200,
		"bob by password":        curl(t, "--basic", "-u", "bob:"+lab.Account("bob").Password, s.HTTP+"/").Status - 403,
		"alice, a wrong one":     curl(t, "--basic", "-u", "alice:wrong", s.HTTP+"/").Status - 401,
		"alice, another time":    curl(t, "--basic", "-u", "alice:"+lab.Account("alice").Password, s.HTTP+"/").Status - 200,
		"who says nothing":       curl(t, s.HTTP+"/").Status - 401,
		"alice, on the same one": live.get(t, "/") - 200,
	} {
		if status != 0 {
			t.Fatalf("%s: not what it should be; reason %s", what, s.reason(t))
		}
	}
	after := figures(t, admin)
	for name, want := range map[string]float64{
		decided("challenge", "type_2", "ntlm", "relay"):           1,
		decided("allow", "", "ntlm", "relay"):                     2,
		decided("allow", "", "basic", "bind"):                     2,
		decided("deny", "denied", "basic", "bind"):                1,
		decided("refuse", "bad_credentials", "basic", "bind"):     1,
		decided("challenge", "no_credentials", "", ""):            1,
		decided("fail", "unavailable", "basic", "bind"):           0,
		took("ntlm", "relay"):                                     1,
		took("basic", "bind"):                                     4,
		connected(first):                                          3, // NTLM's; one for two passwords, until a wrong one; another
		connected(second):                                         0,
		`cache_lookups_total{directory="EXAMPLE",outcome="hit"}`:  1, // alice another time
		`cache_lookups_total{directory="EXAMPLE",outcome="miss"}`: 3, // a log-in by NTLM and one by password are two
	} {
		if got := after[name] - before[name]; got != want {
			t.Errorf("%s: got %v more, want %v", name, got, want)
		}
	}
	if got := after[asked] - before[asked]; got < 8 {
		t.Errorf("%s: got %v more, want a bind and a search at least for each log-in", asked, got)
	}
	for _, server := range []string{first, second} {
		if got := after[up(server)]; got != 1 {
			t.Errorf("%s: got %v, want 1", up(server), got)
		}
	}
	if err := domain.Unlock("alice"); err != nil {
		t.Error(err)
	}

	stop(t, 1)
	if got := curl(t, "--basic", "-u", "alice:"+lab.Account("alice").Password, s.HTTP+"/"); got.Status != 200 {
		t.Fatalf("the first controller down: got %d, reason %s", got.Status, s.reason(t))
	}
	down := figures(t, admin)
	if down[up(first)] != 0 || down[up(second)] != 1 || down[connected(second)] <= after[connected(second)] {
		t.Errorf("the first controller down: got up %v and %v, %v connections to the second, want 0, 1 and more than %v",
			down[up(first)], down[up(second)], down[connected(second)], after[connected(second)])
	}
	startDC(t, 1)
	for began := time.Now(); figures(t, admin)[up(first)] != 1; time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("back for %v: got %s = 0", time.Since(began), up(first))
		}
		curl(t, "--basic", "-u", "alice:"+lab.Account("alice").Password, s.HTTP+"/") // log-ins have it looked at again
	}
}

// TestPoolIsWarmAtStart: features B14. Before anybody has asked for anything, a
// connection stands, bound as the service account, and the first log-in is served
// by it: by what slapd, the kernel and the metrics say of it.
func TestPoolIsWarmAtStart(t *testing.T) {
	t.Run("OpenLDAP", func(t *testing.T) {
		server := openLDAP(t)
		s := people(t, server, serviceWords+"\npool {\nsize 1\n}", "\t\trequire group everybody")
		s.awaitLine(t, "all is well")
		awaitSockets(t, strings.TrimPrefix(server.LDAPS, "ldaps://"), 1, 5*time.Second)
		held := func() []string {
			t.Helper()
			numbers, err := server.BoundAs(slapd.Service)
			if err != nil {
				t.Fatal(err)
			}
			return numbers
		}
		warm := held()
		if len(warm) != 1 {
			t.Fatalf("before the first request: got connections %q bound as the service account, want one", warm)
		}
		before := binds(t, server)
		s.admits(t, map[string]bool{"anna": true})
		if got := binds(t, server) - before; got != 1 {
			t.Errorf("the first log-in: got %d binds, want her own alone", got)
		}
		if now := held(); len(now) != 1 || now[0] != warm[0] {
			t.Errorf("after it: got connections %q, want %q still", now, warm)
		}
	})
	t.Run("Active Directory", func(t *testing.T) {
		admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		s := start(t, siteConfig{Admin: admin, Servers: domain.LDAPS(1), LDAP: `service_account EXAMPLE\svc-web ` + lab.Account("svc-web").Password, Body: whoami})
		s.awaitLine(t, "all is well")
		pool := fmt.Sprintf(`ldap_pool_connections{directory="EXAMPLE",server="%s:636"}`, domain.Addr(1))
		held := func() (kernel, told int) {
			return socketsTo(t, domain.Addr(1)+":636"), int(figures(t, admin)[pool])
		}
		kernel, told := held()
		for began := time.Now(); kernel != told && time.Since(began) < 5*time.Second; kernel, told = held() {
			time.Sleep(10 * time.Millisecond) // the self-test's own end
		}
		if told == 0 || kernel != told {
			t.Errorf("before the first request: got %d connections and %s = %d, want one at least and the same", kernel, pool, told)
		}
		if got := curl(t, "--basic", "-u", "alice:"+lab.Account("alice").Password, s.HTTP+"/"); got.Status != 200 {
			t.Errorf("got %d, reason %s", got.Status, s.reason(t))
		}
	})
}
