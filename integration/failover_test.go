package integration

import (
	"testing"
	"time"
)

// TestFailover: threats E-01, E-02, E-04. The first controller goes down, then
// both, then they come back.
func TestFailover(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	stays := dial(t, s.HTTP)
	if got := stays.logIn(t, "alice"); got != 200 {
		t.Fatalf("both up: got %d, reason %s", got, s.reason(t))
	}
	if got := s.server(t); got != domain.Addr(1)+":636" {
		t.Errorf("both up: %s served, want the first", got)
	}

	stop(t, 1)
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/")
		t.Logf("first controller down, %s: %d after %v", scheme, got.Status, got.Duration)
		if got.Status != 200 || got.Duration > 3*time.Second {
			t.Errorf("first controller down, %s: got %d after %v, want 200 within 3 s; reason %s", scheme, got.Status, got.Duration, s.reason(t))
		}
		if got := s.server(t); got != domain.Addr(2)+":636" {
			t.Errorf("first controller down, %s: %s served, want the second", scheme, got)
		}
	}

	stop(t, 2)
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "bob:Secr3t-bob", s.HTTP+"/")
		if got.Status != 503 || len(got.Challenges) > 0 || headerOf(got.Header, "Retry-After") == "" || got.Duration > 10*time.Second {
			t.Errorf("both down, %s: got %d after %v, challenges %q, want 503 with Retry-After and none\n%s",
				scheme, got.Status, got.Duration, got.Challenges, got.Header)
		}
	}
	if got := stays.get(t, "/"); got != 200 {
		t.Errorf("both down, an authenticated connection: got %d, want 200", got)
	}

	startDC(t, 1)
	back := time.Now()
	for {
		if got := curl(t, "--ntlm", "-u", "bob:Secr3t-bob", s.HTTP+"/"); got.Status == 200 {
			break
		}
		if time.Since(back) > 5*time.Second {
			t.Fatalf("the first controller has been back for %v and is not used; reason %s", time.Since(back), s.reason(t))
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("in use %v after it answered again", time.Since(back))
	startDC(t, 2)
}

// TestControllerDiesInMidHandshake: threats E-02. The Type 3 goes to nobody else.
func TestControllerDiesInMidHandshake(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	c := dial(t, s.HTTP)
	negotiate, authenticate := messages(t)
	status, challenge := c.ntlm(t, negotiate)
	if challenge == nil {
		t.Fatalf("got %d, no Type 2", status)
	}
	stop(t, 1)
	if status, _ := c.ntlm(t, authenticate(challenge)); status != 503 {
		t.Errorf("got %d, want 503; reason %s", status, s.reason(t))
	}
	if got := curl(t, "--ntlm", "-u", "alice:Secr3t-alice", s.HTTP+"/"); got.Status != 200 {
		t.Errorf("the next attempt: got %d, want 200 from the other controller", got.Status)
	}
	startDC(t, 1)
}

// TestHangingController: threats E-03. Ports accept, and nothing answers.
func TestHangingController(t *testing.T) {
	s := start(t, siteConfig{Body: whoami})
	for _, n := range []int{1, 2} {
		if err := domain.Freeze(n); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := domain.Thaw(n); err != nil {
				t.Error(err)
			}
		})
	}
	for _, scheme := range []string{"--ntlm", "--basic"} {
		got := curl(t, scheme, "-u", "alice:Secr3t-alice", s.HTTP+"/")
		if got.Status != 503 || len(got.Challenges) > 0 || got.Duration > 11*time.Second {
			t.Errorf("%s: got %d after %v, want 503 within 10 s", scheme, got.Status, got.Duration)
		}
	}
}

func stop(t *testing.T, n int) {
	t.Helper()
	if err := domain.Stop(n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { startDC(t, n) })
}

// startDC does nothing where the controller is up.
func startDC(t *testing.T, n int) {
	t.Helper()
	if err := domain.Start(n); err != nil {
		t.Error(err)
	}
}
