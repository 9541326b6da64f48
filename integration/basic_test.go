package integration

import (
	"encoding/base64"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// basic asks with a name and password on the connection.
func (c *rawClient) basic(t *testing.T, user, password string) int {
	t.Helper()
	return c.do(t, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password))+"\r\n\r\n").StatusCode
}

// again is a credential that comes on a connection on which others came before.
type again struct {
	name           string
	fresh          bool // on a new connection
	user, password string
	status         int
	asked          bool
}

func afterwards(user, password, other, otherPassword string) []again {
	last := len(user) - 1
	return []again{
		{"first", true, user, password, 200, true},
		{"again", false, user, password, 200, false},
		{"and again", false, user, password, 200, false},
		{"a wrong password", false, user, "wrong", 401, true},
		{"the wrong one again", false, user, "wrong", 401, true},
		{"the boundary shifted", false, user[:last], user[last:] + password, 401, true},
		{"somebody else", false, other, otherPassword, 200, true},
		{"somebody else's password", false, user, otherPassword, 401, true},
		{"the first after all that", false, user, password, 200, false},
		{"on another connection", true, user, password, 200, true},
	}
}

// TestPasswordAgainAsksNobody: features A35. The same credential on the same
// connection is no question to the directory, every other one is: by slapd's own
// count of binds, and by what goes over the wire to a real domain controller.
func TestPasswordAgainAsksNobody(t *testing.T) {
	run := func(t *testing.T, s *site, all []again, count func() int) {
		t.Helper()
		var c *rawClient
		for _, step := range all {
			if step.fresh {
				c = dial(t, s.HTTP)
			}
			before := count()
			if got := c.basic(t, step.user, step.password); got != step.status {
				t.Errorf("%s: got %d, reason %s, want %d", step.name, got, s.reason(t), step.status)
			}
			if n := count() - before; (n > 0) != step.asked {
				t.Errorf("%s: got %d more at the directory, want some: %v", step.name, n, step.asked)
			}
		}
	}
	t.Run("OpenLDAP", func(t *testing.T) {
		server := openLDAP(t)
		s := people(t, server, serviceWords, "\t\tthrottle off")
		s.awaitLine(t, "all is well")
		run(t, s, afterwards("anna", "Secr3t-anna", "ben", "Secr3t-ben"), func() int { return binds(t, server) })
	})
	t.Run("Active Directory", func(t *testing.T) {
		r := record(t, domain.Addr(1)+":636")
		s := start(t, siteConfig{Servers: r.URL, Body: unthrottled}, trusting(r.CertFile))
		s.awaitLine(t, "self-test")
		run(t, s, afterwards("alice", lab.Account("alice").Password, "bob", lab.Account("bob").Password), r.sent)
		if err := domain.Unlock("alice"); err != nil {
			t.Error(err)
		}
	})
}

// TestRealmIsShown: features A37. curl sees the realm of each site, and logs in
// there.
func TestRealmIsShown(t *testing.T) {
	server := openLDAP(t)
	for name, c := range map[string]struct{ words, want string }{
		"said":   {"realm \"The intranet\"", `Basic realm="The intranet", charset="UTF-8"`},
		"quoted": {"realm `Say \"hi\"\\`", `Basic realm="Say \"hi\"\\", charset="UTF-8"`},
		"unsaid": {"", `Basic realm="127.0.0.1", charset="UTF-8"`},
	} {
		for where, s := range map[string]func(t *testing.T) *site{
			"OpenLDAP": func(t *testing.T) *site { return people(t, server, serviceWords, "\t\t"+c.words) },
			"Active Directory": func(t *testing.T) *site {
				return start(t, siteConfig{Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\t" + c.words + "\n\t}\n\trespond in\n"})
			},
		} {
			t.Run(where+", "+name, func(t *testing.T) {
				s, user := s(t), "anna:Secr3t-anna"
				if where != "OpenLDAP" {
					user = "alice:" + lab.Account("alice").Password
				}
				for _, args := range [][]string{{s.HTTP + "/"}, {"--basic", "-u", "nobody:x", s.HTTP + "/"}} {
					got := curl(t, args...)
					if last := len(got.Challenges) - 1; got.Status != 401 || last < 0 || got.Challenges[last] != c.want {
						t.Errorf("%v: got %d %q, want %s", args, got.Status, got.Challenges, c.want)
					}
				}
				if got := curl(t, "--basic", "-u", user, s.HTTP+"/"); got.Status != 200 {
					t.Errorf("with the password: got %d, reason %s", got.Status, s.reason(t))
				}
			})
		}
	}
}
