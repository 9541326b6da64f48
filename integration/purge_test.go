package integration

import (
	"fmt"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// TestPurge: features A34. An administrator who has taken somebody out of a group
// need not wait for the ttl.
func TestPurge(t *testing.T) {
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1), Admin: admin, LDAP: "cache {\nttl 1h\n}\nservice_account EXAMPLE\\svc-web " + lab.Account("svc-web").Password,
		Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire group HR\n\t}\n\trespond in\n",
	})
	purge := "http://" + admin + "/ldap/purge"
	membership(t, "addmembers", "HR", "bob")
	t.Cleanup(func() { _ = domain.SambaTool(1, "group", "removemembers", "HR", "bob") })
	live := dial(t, s.HTTP)
	if got := live.logIn(t, "bob"); got != 200 {
		t.Fatalf("a member: got %d, reason %s", got, s.reason(t))
	}
	membership(t, "removemembers", "HR", "bob")
	if got := live.get(t, "/"); got != 200 {
		t.Fatalf("within the ttl: got %d, want 200", got)
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{purge}, 405},
		{[]string{"-X", "POST", purge + "?directory=OTHER"}, 404},
		{[]string{"-X", "POST", purge + "?directory=EXAMPLE"}, 204},
	} {
		if got := curl(t, c.args...); got.Status != c.want {
			t.Errorf("%v: got %d %s, want %d", c.args, got.Status, got.Body, c.want)
		}
	}
	if got := live.get(t, "/"); got != 403 {
		t.Errorf("after the purge: got %d, want 403; reason %s", got, s.reason(t))
	}
}
