package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
)

// buildCaddy builds what go run ./cmd/caddy would run, once.
var buildCaddy = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "caddy-ntlm-build-")
	if err != nil {
		return "", err
	}
	return daemon.BuildCaddy(dir)
})

// demonstration is a running demo.
type demonstration struct {
	Site, Secure, Directory string
	FirstAnswer             time.Duration
	process                 *exec.Cmd
	output                  *servers.Output
}

var (
	siteLine      = regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/ `)
	secureLine    = regexp.MustCompile(`(?m)^Open  (https://127\.0\.0\.1:\d+)/ `)
	directoryLine = regexp.MustCompile(`(ldaps://127\.0\.0\.1:\d+)`)
)

func startDemo(t *testing.T) *demonstration {
	t.Helper()
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	d := &demonstration{output: new(servers.Output)}
	d.process = exec.Command(binary, "windows-auth", "demo", "--listen", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	d.process.Stdout, d.process.Stderr = d.output, d.output
	began := time.Now()
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(t) })
	for {
		text := d.output.String()
		site, secure, directory := siteLine.FindStringSubmatch(text), secureLine.FindStringSubmatch(text), directoryLine.FindStringSubmatch(text)
		if site != nil && secure != nil && directory != nil {
			d.Site, d.Secure, d.Directory = site[1], secure[1], directory[1]
			if got := curl(t, d.Site+"/"); got.Status == 401 {
				d.FirstAnswer = time.Since(began)
				return d
			}
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("the demo does not answer:\n%s", text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (d *demonstration) stop(t *testing.T) {
	if err := d.process.Process.Signal(syscall.SIGINT); err != nil {
		return
	}
	if err := d.process.Wait(); err != nil {
		t.Errorf("the demo ended with %v:\n%s", err, d.output)
	}
}

func TestDemo(t *testing.T) {
	d := startDemo(t)
	t.Logf("first answer %v after the start of the program", d.FirstAnswer)
	if d.FirstAnswer > 2*time.Second { // the promise; a twentieth of it is usual
		t.Errorf("first answer %v after the start of the program, want 2 s at most", d.FirstAnswer)
	}
	for _, scheme := range []string{"ntlm", "basic", "anyauth"} {
		got := curl(t, "--"+scheme, "-u", "alice:Secr3t-alice", d.Site+"/")
		decided := "ntlm, decided by relay"
		if scheme == "basic" {
			decided = "basic, decided by bind"
		}
		for _, shown := range []string{`EXAMPLE\alice`, "group Staff", decided, "Domain Users, Staff, Users", `href="/secret"`} {
			if got.Status != 200 || !strings.Contains(got.Body, shown) {
				t.Errorf("curl --%s: got %d, without %s\n%s", scheme, got.Status, shown, got.Body)
			}
		}
	}
	stranger := curl(t, d.Site+"/")
	for _, shown := range []string{"curl --ntlm -u 'alice:Secr3t-alice' " + d.Site + "/<", "<td>mustchange</td><td>Secr3t-mustchange</td>", "<td>zoë</td>", "the controller hangs up"} {
		if stranger.Status != 401 || !strings.Contains(stranger.Body, shown) {
			t.Errorf("a stranger got %d, without %s\n%s", stranger.Status, shown, stranger.Body)
		}
	}
	pages := []struct {
		user, path string
		want       int
	}{
		{"alice", "/secret", 403}, {"dave", "/secret", 200}, {"alice", "/hr", 403}, {"carol", "/hr", 200},
		{"svc-web", "/", 403}, {"zoë", "/", 200},
		{"disabled", "/", 401}, {"locked", "/", 401}, {"expired", "/", 401}, {"mustchange", "/", 401},
		{"dead", "/", 503}, {"slow", "/", 503},
	}
	for _, page := range pages {
		t.Run(page.user+page.path, func(t *testing.T) {
			t.Parallel()
			got := curl(t, "--basic", "-u", page.user+":Secr3t-"+page.user, d.Site+page.path)
			if got.Status != page.want {
				t.Errorf("got %d, want %d\n%s", got.Status, page.want, got.Header)
			}
			if prompts := len(got.Challenges) > 0; prompts != (page.want == 401) {
				t.Errorf("a %d with challenges %q", got.Status, got.Challenges)
			}
			if retry := headerOf(got.Header, "Retry-After") != ""; retry != (page.want == 503) {
				t.Errorf("a %d with Retry-After: %v", got.Status, retry)
			}
		})
	}
	if got := d.output.String(); !strings.Contains(got, "there is no Kerberos in the demo") || !strings.Contains(got, "make test") {
		t.Errorf("the demo does not say that it has no Kerberos, and what shows it:\n%s", got)
	}
	if got := d.output.String(); strings.Count(got, "panic") > 0 {
		t.Errorf("the demo said:\n%s", got)
	}
}

// TestDemoDirectory: clients that are not ours log in to the demo's directory.
func TestDemoDirectory(t *testing.T) {
	d := startDemo(t)
	search := exec.Command("ldapsearch", "-x", "-LLL", "-H", d.Directory, "-D", `EXAMPLE\alice`, "-w", "Secr3t-alice",
		"-b", "DC=example,DC=test", "(sAMAccountName=carol)", "displayName")
	search.Env = append(os.Environ(), "LDAPTLS_REQCERT=never")
	out, err := search.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("displayName: Carol")) {
		t.Errorf("ldapsearch: %v\n%s", err, out)
	}
	bad := exec.Command("ldapsearch", "-x", "-H", d.Directory, "-D", `EXAMPLE\alice`, "-w", "wrong", "-b", "", "-s", "base")
	bad.Env = search.Env
	if out, err := bad.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("52e")) {
		t.Errorf("ldapsearch with a wrong password: %v\n%s", err, out)
	}
	logInByNTLM(t, d.Directory)
}

// TestDemoHelp: where the demo listens unless it is told otherwise.
func TestDemoHelp(t *testing.T) {
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "windows-auth", "demo", "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `(default "127.0.0.1:8080")`) {
		t.Errorf("got %v\n%s", err, out)
	}
}

// TestDemoRefusals: mistakes of the command line.
func TestDemoRefusals(t *testing.T) {
	binary, err := buildCaddy()
	if err != nil {
		t.Fatal(err)
	}
	taken := freePortHeld(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"not loopback": {[]string{"demo", "--listen", "192.0.2.1:8080"}, "stays on loopback"},
		"no port":      {[]string{"demo", "--listen", "127.0.0.1"}, "HOST:PORT"},
		"taken":        {[]string{"demo", "--listen", taken}, "choose a free port"},
		"unknown":      {[]string{"dmeo"}, "no subcommand"},
		"argument":     {[]string{"demo", "now"}, "no argument"},
		"flag":         {[]string{"demo", "--listen", "x"}, "listen"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(binary, append([]string{"windows-auth"}, test.args...)...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), test.want) {
				t.Errorf("got %v\n%s", err, out)
			}
			lines := bufio.NewScanner(bytes.NewReader(out))
			if lines.Scan(); !strings.HasPrefix(lines.Text(), "error: ") {
				t.Errorf("first line: %s", lines.Text())
			}
		})
	}
}

// TestDemoThrottles: the demo says how to see a guesser wait, its page says for how
// long, and the user comes in afterwards.
func TestDemoThrottles(t *testing.T) {
	d := startDemo(t)
	if got := d.output.String(); !strings.Contains(got, "for i in 1 2 3; do curl") || !strings.Contains(got, `-u "alice:wrong$i" `+d.Site) {
		t.Errorf("the demo says nothing of it:\n%s", got)
	}
	if got := curl(t, "--basic", "-u", "alice:wrong1", d.Site+"/"); got.Status != 401 {
		t.Errorf("got %d, want 401", got.Status)
	}
	got := curl(t, "--basic", "-u", "alice:Secr3t-alice", d.Site+"/")
	if got.Status != 429 || headerOf(got.Header, "Retry-After") != "1" || !strings.Contains(got.Body, "seconds: the wait doubles") || len(got.Challenges) > 0 {
		t.Errorf("got %d %s\n%s", got.Status, got.Header, got.Body)
	}
	time.Sleep(1100 * time.Millisecond)
	if got := curl(t, "--basic", "-u", "alice:Secr3t-alice", d.Site+"/"); got.Status != 200 {
		t.Errorf("after the wait: got %d", got.Status)
	}
}
