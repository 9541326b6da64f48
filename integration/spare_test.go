package integration

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// TestPasswordsOnSpareConnections: a crowd logs in by Basic over a few connections
// to a real server, wrong passwords between the right ones. Everybody is who they
// are, and few connections are made.
func TestPasswordsOnSpareConnections(t *testing.T) {
	openldap := openLDAP(t)
	for name, c := range map[string]struct {
		config siteConfig
		people map[string]string // password by name
	}{
		"Samba": {
			siteConfig{Servers: domain.LDAPS(1)},
			map[string]string{"alice": "Secr3t-alice", "bob": "Secr3t-bob", "carol": "Secr3t-carol", "dave": "Secr3t-dave", "many": lab.Account("many").Password},
		},
		"OpenLDAP": {
			siteConfig{Servers: openldap.LDAPS, CA: openldap.CA, LDAP: serviceWords + "\nbase_dn " + slapd.Base + "\nverify bind"},
			map[string]string{"anna": "Secr3t-anna", "paul": "Secr3t-paul", "eva@partner.example": "Secr3t-eva"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Admin = fmt.Sprintf("127.0.0.1:%d", freePort(t))
			c.config.Global = "\tmetrics\n"
			c.config.Body = "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\tthrottle off\n\t\tschemes basic\n\t}\n\trespond {http.auth.user.id}\n"
			s := start(t, c.config)
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			ask := func(user, password string) (int, string) {
				request, _ := http.NewRequest(http.MethodGet, s.HTTP+"/", nil)
				request.SetBasicAuth(user, password)
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return 0, ""
				}
				defer response.Body.Close()
				body, _ := io.ReadAll(response.Body)
				return response.StatusCode, string(body)
			}
			var all sync.WaitGroup
			const rounds = 25
			for user, password := range c.people {
				all.Go(func() {
					for i := range rounds {
						if status, body := ask(user, password); status != 200 || body != user {
							t.Errorf("%s: got %d %s", user, status, body)
						}
						if i%10 == 5 {
							if status, body := ask(user, "wrong"); status != 401 || body != "" {
								t.Errorf("%s with a wrong password: got %d %s", user, status, body)
							}
						}
					}
				})
			}
			all.Wait()
			wrong := len(c.people) * 3
			if made, most := s.connectionsMade(t, c.config.Admin), wrong+25; made == 0 || made > most {
				t.Errorf("got %d connections made for %d log-ins and %d refusals, want %d at most", made, rounds*len(c.people), wrong, most)
			}
		})
	}
}

var connectionMade = regexp.MustCompile(`(?m)^caddy_windows_auth_ldap_connections_total\{.*outcome="ok".*\} (\d+)$`)

// connectionsMade reads from Caddy's metrics how many connections to directories
// were made.
func (s *site) connectionsMade(t *testing.T, admin string) int {
	t.Helper()
	response, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, _ := io.ReadAll(response.Body)
	made := 0
	for _, m := range connectionMade.FindAllStringSubmatch(string(page), -1) {
		n, _ := strconv.Atoi(m[1])
		made += n
	}
	return made
}
