package integration

import (
	"os/exec"
	"testing"
	"time"
)

// TestManyGroups: threats D-05. Somebody in 2,000 groups, in a ring of groups
// and at the foot of a chain of 60 is let in, and looking them up for the first
// time takes no two seconds: over what the controller itself takes for the bind,
// as ldapsearch has it at the same moment.
func TestManyGroups(t *testing.T) {
	if err := domain.Heap(1); err != nil {
		t.Fatal(err)
	}
	const groups = "group heap-0001\n group heap-1999\n group chain-60\n group ring-b\n"
	for _, scheme := range []string{"--basic", "--ntlm"} {
		s := start(t, siteConfig{Servers: domain.LDAPS(1), Body: "\twindows_auth EXAMPLE {\n\t\tinsecure_basic\n\t\trequire all {\n" + groups + "\t\t}\n\t}\n\trespond in\n"})
		alone := bindAlone(t)
		got := curl(t, scheme, "-u", "heavy:Secr3t-heavy", s.HTTP+"/")
		t.Logf("%s: %d after %v; the bind alone takes %v", scheme, got.Status, got.Duration, alone)
		if got.Status != 200 || got.Duration-alone > 2*time.Second {
			t.Errorf("%s: got %d after %v, want 200 within 2 s over %v; reason %s", scheme, got.Status, got.Duration, alone, s.reason(t))
		}
	}
}

// bindAlone is how long the controller takes to let heavy in.
func bindAlone(t *testing.T) time.Duration {
	t.Helper()
	search := exec.Command("ldapsearch", "-x", "-LLL", "-H", domain.LDAPS(1), "-D", "heavy@"+domain.DNSDomain, "-w", "Secr3t-heavy", "-b", "", "-s", "base", "defaultNamingContext")
	search.Env = domain.Environ()
	began := time.Now()
	if out, err := search.CombinedOutput(); err != nil {
		t.Fatalf("ldapsearch: %v\n%s", err, out)
	}
	return time.Since(began)
}
