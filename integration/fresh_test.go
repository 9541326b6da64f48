package integration

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// membership puts somebody into a group of the domain, or takes them out.
func membership(t *testing.T, act, group, sam string) {
	t.Helper()
	if err := domain.SambaTool(1, "group", act, group, sam); err != nil {
		t.Fatal(err)
	}
}

// protect puts somebody into Protected Users for the test, and has both controllers know
// when that is over: the next test may ask the other one.
func protect(t *testing.T, sam string) {
	t.Helper()
	membership(t, "addmembers", "Protected Users", sam)
	t.Cleanup(func() {
		membership(t, "removemembers", "Protected Users", sam)
		if err := domain.Replicate(); err != nil {
			t.Error(err)
		}
	})
}

// TestMembershipOnALiveConnection: features A34, threats D-09. Whoever is taken
// out of a group during a live NTLM connection is refused within the ttl, and
// whoever is put into one gets in at the next request after five seconds.
func TestMembershipOnALiveConnection(t *testing.T) {
	const ttl = 6 * time.Second
	for name, c := range map[string]struct {
		account string
		out     int // to a request on the live connection, after the removal
	}{
		"service account":    {`service_account EXAMPLE\svc-web Secr3t-svc-web`, 403},
		"no service account": {"", 401},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, siteConfig{
				Servers: domain.LDAPS(1), LDAP: "cache {\nttl " + ttl.String() + "\n}\n" + c.account,
				Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire group HR\n\t}\n\trespond in\n",
			})
			membership(t, "addmembers", "HR", "bob")
			t.Cleanup(func() { _ = domain.SambaTool(1, "group", "removemembers", "HR", "bob") })
			live := dial(t, s.HTTP)
			if got := live.logIn(t, "bob"); got != 200 {
				t.Fatalf("a member: got %d, reason %s", got, s.reason(t))
			}
			membership(t, "removemembers", "HR", "bob")
			removed := time.Now()
			got := live.get(t, "/")
			for ; got == 200; got = live.get(t, "/") {
				if time.Since(removed) > ttl+2*time.Second {
					t.Fatalf("still in %v after the removal", time.Since(removed))
				}
				time.Sleep(50 * time.Millisecond)
			}
			if got != c.out {
				t.Errorf("after the removal: got %d, want %d; reason %s", got, c.out, s.reason(t))
			}
			if got := live.logIn(t, "bob"); got != 403 {
				t.Errorf("logging in again: got %d, want 403; reason %s", got, s.reason(t))
			}
			membership(t, "addmembers", "HR", "bob")
			time.Sleep(5 * time.Second) // the promise: after five seconds
			got = live.get(t, "/")
			if got == 401 && c.account == "" {
				got = live.logIn(t, "bob")
			}
			if got != 200 {
				t.Errorf("a member again: got %d, want 200; reason %s", got, s.reason(t))
			}
		})
	}
}

// TestLogInSeesNewGroups: a log-in is decided on what the controller says now,
// whatever the cache knows.
func TestLogInSeesNewGroups(t *testing.T) {
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1), LDAP: `service_account EXAMPLE\svc-web Secr3t-svc-web`,
		Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire group HR\n\t}\n\trespond in\n",
	})
	t.Cleanup(func() { _ = domain.SambaTool(1, "group", "removemembers", "HR", "bob") })
	for _, step := range []struct {
		act  string
		want int
	}{{"addmembers", 200}, {"removemembers", 403}, {"addmembers", 200}} {
		membership(t, step.act, "HR", "bob")
		for _, scheme := range []string{"--basic", "--ntlm"} {
			if got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/"); got.Status != step.want {
				t.Errorf("%s, %s: got %d, want %d", step.act, scheme, got.Status, step.want)
			}
		}
	}
}

// TestChangedPasswordEndsTheLogIn: what a connection remembers ends with the
// password that opened it.
func TestChangedPasswordEndsTheLogIn(t *testing.T) {
	newUser(t, "changer", "Secr3t-changer")
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1), LDAP: "cache {\nttl 1s\n}\n" + `service_account EXAMPLE\svc-web Secr3t-svc-web`, Body: whoami,
	})
	live := dial(t, s.HTTP)
	if got := live.logInAs(t, "changer", "Secr3t-changer"); got != 200 {
		t.Fatalf("got %d, reason %s", got, s.reason(t))
	}
	time.Sleep(1100 * time.Millisecond) // older than the ttl
	if got := live.get(t, "/"); got != 200 {
		t.Fatalf("while nothing has changed: got %d, reason %s", got, s.reason(t))
	}
	setPassword(t, "changer", "Secr3t-changer-2")
	changed := time.Now()
	for live.get(t, "/") == 200 {
		if time.Since(changed) > 5*time.Second {
			t.Fatal("still in with the old password")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := s.reason(t); got != "password_changed" {
		t.Errorf("got reason %s, want password_changed", got)
	}
	if got := live.logInAs(t, "changer", "Secr3t-changer-2"); got != 200 {
		t.Errorf("with the new password: got %d, reason %s", got, s.reason(t))
	}
	time.Sleep(1100 * time.Millisecond)
	if got := live.get(t, "/"); got != 200 {
		t.Errorf("afterwards: got %d, reason %s", got, s.reason(t))
	}
}

// TestServiceAccountPasswordChanges: threats D-14. Nobody has to restart anything.
func TestServiceAccountPasswordChanges(t *testing.T) {
	newUser(t, "svc-turn", "Secr3t-turn")
	secret := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Secr3t-turn")
	s := start(t, siteConfig{
		Servers: domain.LDAPS(1), LDAP: "cache {\nttl 1s\nstale 2s\n}\n" + `service_account EXAMPLE\svc-turn {file.` + secret + "}", Body: whoami,
	})
	live := dial(t, s.HTTP)
	if got := live.logIn(t, "alice"); got != 200 {
		t.Fatalf("got %d, reason %s", got, s.reason(t))
	}
	time.Sleep(1100 * time.Millisecond)
	if got := live.get(t, "/"); got != 200 {
		t.Fatalf("with the right secret: got %d, reason %s", got, s.reason(t))
	}
	setPassword(t, "svc-turn", "Secr3t-turn-2") // the controller takes the last one for an hour more
	setPassword(t, "svc-turn", "Secr3t-turn-3")
	stop(t, 1) // its connections end
	startDC(t, 1)
	until := func(want int, why string) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			got := live.get(t, "/")
			if got == want && (why == "" || s.reason(t) == why) {
				return
			}
			if got == 401 {
				t.Fatalf("a password prompt for everybody; reason %s", s.reason(t))
			}
			if time.Since(began) > 20*time.Second {
				t.Fatalf("got %d, reason %s, want %d %s", got, s.reason(t), want, why)
			}
		}
	}
	until(503, "svc_bind")
	write("Secr3t-turn-3")
	until(200, "")
}

func newUser(t *testing.T, sam, password string) {
	t.Helper()
	if err := domain.SambaTool(1, "user", "create", sam, password); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := domain.SambaTool(1, "user", "delete", sam); err != nil {
			t.Error(err)
		}
	})
}

func setPassword(t *testing.T, sam, password string) {
	t.Helper()
	if err := domain.SambaTool(1, "user", "setpassword", sam, "--newpassword="+password); err != nil {
		t.Fatal(err)
	}
}
