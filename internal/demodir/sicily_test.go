package demodir

import (
	"testing"
	"time"
)

// go-ldap's NTLMBind with go-ntlmssp underneath: a client that is not ours.
func TestSicily(t *testing.T) {
	s := start(t)
	for _, user := range []string{"alice", "zoë", "svc-web"} {
		for _, domain := range []string{"EXAMPLE", "", "OTHER"} {
			c := dial(t, s)
			if err := c.NTLMBind(domain, user, "Secr3t-"+user); err != nil {
				t.Errorf("%s of %q: %v", user, domain, err)
			}
			if got, want := whoami(t, c), `u:EXAMPLE\`+user; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
}

func TestSicilyFailures(t *testing.T) {
	s := start(t, more)
	for _, r := range refusals {
		t.Run(r.user+" "+r.data, func(t *testing.T) {
			code, text := answer(dial(t, s).NTLMBind("EXAMPLE", r.user, r.password))
			if want := acceptError(r.data); code != 49 || text != want {
				t.Errorf("got %d %s, want 49 %s", code, text, want)
			}
		})
	}
	c := dial(t, s)
	c.SetTimeout(100 * time.Millisecond) // this client waits for its timeout although the connection is gone
	if code, text := answer(c.NTLMBind("EXAMPLE", "dead", "Secr3t-dead")); code != -1 {
		t.Errorf("dead: got %d %s, want no answer", code, text)
	}
}

func TestSicilyWithoutTLS(t *testing.T) {
	s := start(t)
	if code, text := answer(dialURL(t, s.LDAP()).NTLMBind("", "alice", "Secr3t-alice")); code != 8 {
		t.Errorf("got %d %s, want 8", code, text)
	}
	c := dialURL(t, s.LDAP())
	if err := c.StartTLS(trust(s)); err != nil {
		t.Fatal(err)
	}
	if err := c.NTLMBind("", "alice", "Secr3t-alice"); err != nil {
		t.Error(err)
	}
}

func TestSicilyHash(t *testing.T) {
	c := dial(t, start(t))
	if err := c.NTLMBindWithHash("EXAMPLE", "alice", "00000000000000000000000000000000"); err == nil {
		t.Error("a hash of zeros is alice's")
	}
	// An account without a password has a hash of zeros here.
	if err := c.NTLMBindWithHash("EXAMPLE", "Guest", "00000000000000000000000000000000"); err == nil {
		t.Error("a hash of zeros is Guest's")
	} else if _, text := answer(err); text != acceptError("52e") {
		t.Errorf("got %s, want 52e", text)
	}
}
