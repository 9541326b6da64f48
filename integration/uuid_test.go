package integration

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestDNMadeAnew: an account that gets the DN of one that was deleted is not that one,
// neither at a log-in within the ttl nor on a connection that the first left open.
func TestDNMadeAnew(t *testing.T) {
	server := openLDAP(t)
	temp := "uid=temp,ou=people," + slapd.Base
	entry := "dn: " + temp + "\nobjectClass: inetOrgPerson\nuid: temp\ncn: x\nsn: x\nuserPassword: Secr3t-"
	change := func(ldif string) {
		t.Helper()
		if err := server.Change(ldif); err != nil {
			t.Fatal(err)
		}
	}
	get := func(t *testing.T, s *site, r *rawClient, password string) int {
		t.Helper()
		credential := base64.StdEncoding.EncodeToString([]byte("temp:Secr3t-" + password))
		return r.do(t, "GET / HTTP/1.1\r\nHost: "+strings.TrimPrefix(s.HTTP, "http://")+"\r\nAuthorization: Basic "+credential+"\r\n\r\n").StatusCode
	}
	for name, c := range map[string]struct {
		cache string
		wait  time.Duration
		live  int // what the first's connection gets then
	}{
		"within the ttl": {"ttl 1h", 0, 200},
		"after it":       {"ttl 1s", 1100 * time.Millisecond, 401},
	} {
		t.Run(name, func(t *testing.T) {
			change(entry + "old\nemployeeType: staff\n")
			s := people(t, server, serviceWords+"\ncache {\n"+c.cache+"\n}", "\t\trequire attribute employeeType staff")
			first := dial(t, s.HTTP)
			if got := get(t, s, first, "old"); got != http.StatusOK {
				t.Fatalf("the first: got %d, reason %s", got, s.reason(t))
			}
			change("dn: " + temp + "\nchangetype: delete\n")
			change(entry + "new\n")
			time.Sleep(c.wait)
			if got := get(t, s, dial(t, s.HTTP), "new"); got != http.StatusForbidden {
				t.Errorf("the second: got %d, reason %s, want 403", got, s.reason(t))
			}
			if got := get(t, s, first, "old"); got != c.live {
				t.Errorf("on the connection of the first: got %d, reason %s, want %d", got, s.reason(t), c.live)
			}
			change("dn: " + temp + "\nchangetype: delete\n")
		})
	}
	t.Run("before a denial", func(t *testing.T) {
		change(entry + "old\n")
		s := people(t, server, serviceWords+"\ncache {\nttl 1h\n}", "\t\trequire attribute employeeType staff")
		first := dial(t, s.HTTP)
		if got := get(t, s, first, "old"); got != http.StatusForbidden {
			t.Fatalf("the first: got %d, reason %s", got, s.reason(t))
		}
		change("dn: " + temp + "\nchangetype: delete\n")
		change(entry + "new\nemployeeType: staff\n")
		time.Sleep(5100 * time.Millisecond) // a denial is decided on nothing older
		if got := get(t, s, first, "old"); got != http.StatusUnauthorized {
			t.Errorf("the first, who is looked up again: got %d, reason %s, want 401", got, s.reason(t))
		}
	})
}
