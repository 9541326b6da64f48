package integration

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/faultproxy"
)

// TestNetlogonSitePipe: a controller whose ports of RPC are closed to this machine is
// reached over \PIPE\netlogon, by the machine account, and log-ins are as proven as
// ever. Its first address has LDAPS and SMB alone.
func TestNetlogonSitePipe(t *testing.T) {
	host := spare(t)
	faultproxy.At(t, net.JoinHostPort(host, "636"), domain.Addr(1)+":636")
	smb := faultproxy.At(t, net.JoinHostPort(host, "445"), domain.Addr(1)+":445")
	servers := "ldaps://" + host + " {\n\t\t\tserver_name dc1.example.test\n\t\t}"
	s := start(t, siteConfig{Servers: servers, LDAP: netlogonWords(), Body: unthrottled})
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", `EXAMPLE\alice:Secr3t-alice`, s.HTTP+"/")
		if got.Status != 200 || got.Body != told(t, "alice", strings.TrimPrefix(scheme, "--")) || got.Duration > 3*time.Second {
			t.Errorf("%s: got %d %s after %v, reason %s %s", scheme, got.Status, got.Body, got.Duration, s.reason(t), s.refusal(t).text("error"))
		}
		if got := curl(t, scheme, "-u", `EXAMPLE\alice:wrong`, s.HTTP+"/"); got.Status != 401 || s.reason(t) != "bad_credentials" {
			t.Errorf("%s, wrong password: got %d, reason %s, want 401 and bad_credentials", scheme, got.Status, s.reason(t))
		}
	}
	smb.Set(faultproxy.Dead)
	if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 503 || !strings.Contains(s.hint(t), "445") {
		t.Errorf("without SMB: got %d, reason %s, hint %q, want 503 and the ports", got.Status, s.reason(t), s.hint(t))
	}
	smb.Set(faultproxy.None)
	time.Sleep(sweep)
	if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 200 {
		t.Errorf("SMB is back: got %d, reason %s %s, want 200", got.Status, s.reason(t), s.refusal(t).text("error"))
	}
}

// TestNetlogonSitePipeMachine: the machine's password is wrong there too.
func TestNetlogonSitePipeMachine(t *testing.T) {
	host := spare(t)
	faultproxy.At(t, net.JoinHostPort(host, "636"), domain.Addr(1)+":636")
	faultproxy.At(t, net.JoinHostPort(host, "445"), domain.Addr(1)+":445")
	servers := "ldaps://" + host + " {\n\t\t\tserver_name dc1.example.test\n\t\t}"
	s := start(t, siteConfig{Servers: servers, LDAP: "verify netlogon WEB01$ wrong", Body: whoami})
	got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/")
	if got.Status != 503 || s.reason(t) != "secure_channel" || !strings.Contains(s.hint(t), "the password of WEB01$ is refused") {
		t.Errorf("got %d, reason %s, hint %q, want 503, secure_channel and the cure", got.Status, s.reason(t), s.hint(t))
	}
}
