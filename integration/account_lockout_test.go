package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// sought is what a directory comes to say of a name: nobody waits for an account's own
// policy, so that the first answer is a careful one.
func sought(t *testing.T, d *caddyldap.Directory, sam string, fits func(identity.Sought) bool) identity.Sought {
	t.Helper()
	var got identity.Sought
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got = d.FindAccount(t.Context(), identity.Name{User: sam}); fits(got) {
			return got
		}
	}
	t.Errorf("%s: got %v in the end", sam, got)
	return got
}

// TestLockoutPolicy: threats F-11. The domain of the lab locks nobody, and a password
// settings object locks fragile after three wrong passwords, which count for ever. Who may
// not read that object assumes the worst of it, and with the right of docs/ldap.md reads it.
func TestLockoutPolicy(t *testing.T) {
	const container = "CN=Password Settings Container,CN=System,DC=example,DC=test"
	blind := labDirectory(t, lookingUp("svc-web"))
	for _, sam := range []string{"fragile", "alice", "nobody"} {
		first := blind.FindAccount(t.Context(), identity.Name{User: sam})
		if first.Threshold != 3 || first.Observation < 30*time.Minute {
			t.Errorf("%s, at first: got %v, want 3 within half an hour at least", sam, first)
		}
	}
	domains := func(got identity.Sought) bool { return got.Threshold == 0 && got.Observation == 30*time.Minute }
	sought(t, blind, "alice", domains)
	sought(t, blind, "nobody", domains)
	time.Sleep(time.Second) // what fragile's policy says would be known by now
	if got := blind.FindAccount(t.Context(), identity.Name{User: "fragile"}); got.Threshold != 3 || got.Observation != 30*time.Minute {
		t.Errorf("fragile, who cannot be read: got %v", got)
	}

	reader := lab.Account("svc-rc4")
	alone := labDirectory(t, nil)
	ace := fmt.Sprintf("(A;CI;LCRPLORC;;;%s)", sidOfAccount(t, alone, reader))
	if err := domain.SambaTool(1, "dsacl", "set", "--objectdn="+container, "--sddl="+ace); err != nil {
		t.Fatal(err)
	}
	seeing := labDirectory(t, lookingUp(reader.Sam))
	sought(t, seeing, "alice", domains)
	sought(t, seeing, "fragile", func(got identity.Sought) bool { return got.Threshold == 3 && got.Observation > 365*24*time.Hour })
	// Without a service account somebody's log-in tells that there are finer policies.
	if got := alone.FindAccount(t.Context(), identity.Name{User: "fragile"}); got.Threshold != 3 {
		t.Errorf("without a service account: got %v, want 3", got)
	}
}

// TestLockoutIsTold: the self-test says how many wrong passwords lock an account, and which
// right is missing.
func TestLockoutIsTold(t *testing.T) {
	account := lab.Account("svc-web")
	s := start(t, siteConfig{Body: whoami, LDAP: "base_dn " + domain.BaseDN + "\nservice_account EXAMPLE\\svc-web " + account.Password})
	told := map[string]bool{}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && len(told) < 2; time.Sleep(20 * time.Millisecond) {
		for _, e := range s.lines(t, "ldap") {
			switch {
			case e.text("level") == "info" && strings.HasPrefix(e.text("msg"), "self-test: wrong passwords lock no account"):
				told["threshold"] = true
			case e.text("level") == "warn" && strings.Contains(e.text("msg"), "cannot be read") && strings.Contains(e.text("hint"), `dsacls "CN=Password Settings Container,CN=System,DC=example,DC=test" /I:T /G "EXAMPLE\svc-web:GR"`):
				told["right"] = true
			}
		}
	}
	if !told["threshold"] || !told["right"] {
		t.Errorf("got %v\n%s", told, s.logText(t))
	}
}

// TestManySpellingsAtOnce: 200 who ask at once in twenty spellings hear of one account, and
// of a limit that keeps it open, before anything was known of it.
func TestManySpellingsAtOnce(t *testing.T) {
	d := labDirectory(t, lookingUp("svc-web"))
	forms := []string{
		`fragile`, `FRAGILE`, `Fragile`, `EXAMPLE\fragile`, `example\Fragile`, `example.test\fragile`, `EXAMPLE.TEST\FRAGILE`, `OTHER\fragile`, `.\fragile`, `\fragile`,
		`fragile@example.test`, `FRAGILE@EXAMPLE.TEST`, `fragile@EXAMPLE`, `fragile @example.test`, ` fragile`, `fragile `, `EXAMPLE \fragile`, `EXAMPLE\fragile@example.test`,
		`CN=Fragile User,OU=Staff,DC=example,DC=test`, `example.test/Staff/Fragile User`,
	}
	accounts := make([]identity.Sought, 200)
	var all sync.WaitGroup
	for i := range accounts {
		all.Go(func() { accounts[i] = d.FindAccount(t.Context(), identity.ParseName(forms[i%len(forms)])) })
	}
	all.Wait()
	for i, got := range accounts {
		if got.Account != accounts[0].Account || !strings.HasPrefix(got.Account, domain.DomainSID) || got.Threshold != 3 {
			t.Errorf("%q: got %v", forms[i%len(forms)], got)
		}
	}
}
