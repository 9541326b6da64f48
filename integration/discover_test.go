package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
)

// The site of a new domain, [MS-ADTS] 6.1.1.2.2.1.
const firstSite = "Default-First-Site-Name"

// amongControllers makes a command run where the machine's DNS servers are the
// controllers and no hosts file knows them: what Caddy finds it has from Samba.
func amongControllers(t *testing.T, dir string, command ...string) []string {
	t.Helper()
	resolv, hosts := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "hosts")
	for path, text := range map[string]string{
		resolv: fmt.Sprintf("nameserver %s\nnameserver %s\noptions timeout:1\n", domain.Addr(1), domain.Addr(2)),
		hosts:  "127.0.0.1 localhost\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // as those of the machine
			t.Fatal(err)
		}
	}
	script := `mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"`
	return append([]string{"unshare", "--mount", "bash", "-c", script, "-", resolv, hosts}, command...)
}

// discovering runs a Caddy among the controllers whose directory has no server
// but those that DNS names. more are words for the directory.
func discovering(t *testing.T, more ...string) *site {
	t.Helper()
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	dir := servers.Dir(t)
	s := &site{logPath: filepath.Join(dir, "caddy.log")}
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s.HTTP = "http://" + address
	conf := configure(t, dir, `{
	admin off
	persist_config off
	auto_https off
	log {
		output file {{.Log}}
		format json
		level DEBUG
	}
	ldap EXAMPLE {
		tls {
			trust_pool file {{.CA}}
		}
		{{.More}}
	}
}
http://{{.Address}} {
	bind 127.0.0.1
{{.Body}}
}
`, map[string]string{"Log": s.logPath, "CA": domain.CA(), "More": strings.Join(more, "\n\t\t"), "Address": address, "Body": whoami})
	command := amongControllers(t, dir, binary, "run", "--adapter", "caddyfile", "--config", conf)
	runServer(t, dir, address, command[0], command[1:]...)
	return s
}

// waitLog waits for a line of the directory, and gives it.
func (s *site) waitLog(t *testing.T, message string) entry {
	t.Helper()
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		for _, e := range s.lines(t, "ldap") {
			if strings.HasPrefix(e.text("msg"), message) {
				return e
			}
		}
	}
	t.Fatalf("not within 20 s: %s\n%s", message, s.logText(t))
	return nil
}

// TestDiscover: controllers out of Samba's own DNS, by the names in their
// certificates; one of them dies.
func TestDiscover(t *testing.T) {
	svc := lab.Account("svc-web")
	s := discovering(t, "discover "+domain.DNSDomain+" "+firstSite, `service_account EXAMPLE\svc-web `+svc.Password)
	hosts := []string{domain.Host(1) + ":636", domain.Host(2) + ":636"}
	for _, scheme := range []string{"--ntlm", "--basic"} {
		if got := curl(t, scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 200 || !strings.HasPrefix(got.Body, "alice|") {
			t.Fatalf("%s: got %d %s, reason %s", scheme, got.Status, got.Body, s.reason(t))
		}
	}
	found, _ := s.waitLog(t, "DNS names the controllers")["servers"].([]any)
	if len(found) != 2 || !slices.Contains(hosts, fmt.Sprint(found[0])) || !slices.Contains(hosts, fmt.Sprint(found[1])) || found[0] == found[1] {
		t.Errorf("got the servers %v, want %v", found, hosts)
	}
	s.waitLog(t, "self-test: all is well")
	first := slices.Index(hosts, s.server(t)) + 1
	if first == 0 {
		t.Fatalf("%q served, want one of %v", s.server(t), hosts)
	}
	stop(t, first)
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/")
		if got.Status != 200 || s.server(t) != hosts[2-first] {
			t.Errorf("%s without the first: got %d by %s after %v, reason %s", scheme, got.Status, s.server(t), got.Duration, s.reason(t))
		}
	}
	startDC(t, first)
}

// TestDiscoverOtherwise: records that are not as one hopes, and another command.
func TestDiscoverOtherwise(t *testing.T) {
	t.Run("no such site, StartTLS, Kerberos", func(t *testing.T) {
		s := discovering(t, "discover "+domain.DNSDomain+" Elsewhere", "starttls", "service_account kerberos svc-web "+lab.Account("svc-web").Password)
		if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 200 {
			t.Errorf("got %d, reason %s", got.Status, s.reason(t))
		}
		s.waitLog(t, "DNS names no controller of the site")
		s.waitLog(t, "self-test: all is well") // tickets too, of KDCs that DNS names
		if got := s.server(t); !strings.HasSuffix(got, "."+domain.DNSDomain+":389") {
			t.Errorf("%s served, want a controller's port 389", got)
		}
	})
	t.Run("no such domain", func(t *testing.T) {
		s := discovering(t, "discover nowhere."+domain.DNSDomain)
		for _, scheme := range []string{"--ntlm", "--basic"} {
			if got := curl(t, scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 503 || len(got.Challenges) > 0 || got.Duration > 10*time.Second {
				t.Errorf("%s: got %d after %v, challenges %v", scheme, got.Status, got.Duration, got.Challenges)
			}
		}
		fault := s.waitLog(t, "self-test: DNS does not say")
		if hint := fault.text("hint"); !strings.Contains(hint, "dig SRV _ldap._tcp.dc._msdcs.nowhere."+domain.DNSDomain) {
			t.Errorf("got the hint %q", hint)
		}
	})
	t.Run("doctor", func(t *testing.T) {
		binary, err := buildCaddy()
		if err != nil {
			t.Fatal(err)
		}
		dir := servers.Dir(t)
		conf := configure(t, dir, "{\n\tldap EXAMPLE {\n\t\tdiscover {{.Domain}}\n\t\ttls {\n\t\t\ttrust_pool file {{.CA}}\n\t\t}\n\t}\n}\n", map[string]string{"Domain": domain.DNSDomain, "CA": domain.CA()})
		for want, args := range map[string][]string{
			"was authenticated":         {"check-user", "--config", conf, "-u", "alice", "-p", "Secr3t-alice"},
			"DNS names the controllers": {"check-config", conf},
		} {
			command := amongControllers(t, dir, append([]string{binary, "windows-auth"}, args...)...)
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: got %v, want %q in it\n%s", args[0], err, want, out)
			}
		}
	})
}

// TestDiscoverBelievesNoStranger: a record of the domain's own DNS names a host
// outside the domain, as whoever forges answers would.
func TestDiscoverBelievesNoStranger(t *testing.T) {
	record := []string{domain.Host(1), "_msdcs." + domain.DNSDomain, "_ldap._tcp.dc", "SRV", "dc.example.org 636 0 100", "-U", "Administrator%" + domain.AdminPassword}
	for n := range 2 {
		record[0] = domain.Host(n + 1)
		if err := domain.SambaTool(n+1, append([]string{"dns", "add"}, record...)...); err != nil && n == 0 {
			t.Fatal(err) // the second controller may have it by replication
		}
	}
	t.Cleanup(func() {
		for n := range 2 {
			record[0] = domain.Host(n + 1)
			if err := domain.SambaTool(n+1, append([]string{"dns", "delete"}, record...)...); err != nil && n == 0 {
				t.Error(err)
			}
		}
	})
	s := discovering(t, "discover "+domain.DNSDomain)
	if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 200 {
		t.Errorf("got %d, reason %s", got.Status, s.reason(t))
	}
	warned := s.waitLog(t, "DNS names controllers that are not to be believed")
	if refused := fmt.Sprint(warned["refused"]); warned.text("level") != "warn" || !strings.Contains(refused, "dc.example.org:636") {
		t.Errorf("got %v", warned)
	}
	for _, e := range s.lines(t, "ldap") {
		if servers := fmt.Sprint(e["servers"]); strings.Contains(servers, "example.org") {
			t.Errorf("a stranger is among %s", servers)
		}
	}
}
