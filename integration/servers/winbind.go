package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// Winbind is Samba's winbindd as a member of the lab's domain. Its clients have the path
// of its socket compiled in, so it has a mount namespace of its own, in which they run.
type Winbind struct {
	PID int
}

// memberConfig has Samba's defaults: one connection to the domain among them.
const memberConfig = `[global]
netbios name = %[1]s
workgroup = %[2]s
realm = %[3]s
security = ads
private dir = %[4]s/private
state directory = %[4]s/state
cache directory = %[4]s/cache
lock directory = %[4]s/lock
pid directory = %[4]s/run
ncalrpc dir = %[4]s/run/ncalrpc
log file = %[4]s/log
idmap config * : backend = tdb
idmap config * : range = 100000-999999
`

// memberScript hides the lab's names and an own /run/samba behind the system's, and then
// becomes a program.
const memberScript = `mount --bind "$1/run" /run/samba && mount --bind "$2/hosts" /etc/hosts && mount --bind "$2/resolv.conf" /etc/resolv.conf && shift 2 && exec "$@"`

// RunWinbind joins a machine of that name to the domain and runs its winbindd, which www-data may
// have log-ins decided by. The machine leaves with the test.
func RunWinbind(t testing.TB, l *lab.Lab, name string) *Winbind {
	t.Helper()
	dir := Dir(t)
	for _, sub := range []string{"private", "state", "cache", "lock", "run"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil { //nolint:gosec // as Debian has them
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "smb.conf")
	write(t, config, fmt.Sprintf(memberConfig, name, l.Domain, l.Realm, dir))
	if err := os.MkdirAll("/run/samba", 0o755); err != nil { //nolint:gosec // as Debian has it
		t.Fatal(err)
	}
	member := func(program string, arguments ...string) *exec.Cmd {
		c := exec.Command("unshare", append([]string{"--mount", "bash", "-c", memberScript, "bash", dir, l.Dir, program}, arguments...)...)
		c.Env = l.Environ()
		return c
	}
	net := func(arguments ...string) error {
		out, err := member("net", append(arguments, "-s", config, "-S", l.Host(1), "-U", "Administrator%"+l.AdminPassword)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("net %v: %w\n%s", arguments, err, out)
		}
		return nil
	}
	if err := net("ads", "join", "--no-dns-updates"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net("ads", "leave"); err != nil {
			t.Error(err)
		}
	})
	w := new(Winbind)
	server := member("winbindd", "--foreground", "--no-process-group", "-s", config)
	w.PID = run(t, server, nil, func() error {
		w.PID = server.Process.Pid
		out, err := w.beside(exec.Command("wbinfo", "--check-secret")).CombinedOutput()
		if err != nil {
			return fmt.Errorf("wbinfo --check-secret: %w\n%s", err, out)
		}
		return nil
	})
	// The socket for log-ins is for those alone who may open its directory.
	if out, err := exec.Command("chgrp", "www-data", filepath.Join(dir, "state", "winbindd_privileged")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

// beside has a program run where winbindd's clients find it.
func (w *Winbind) beside(program *exec.Cmd) *exec.Cmd {
	c := exec.Command("nsenter", append([]string{"--mount", "--target", strconv.Itoa(w.PID), "--"}, program.Args...)...)
	c.Env, c.Dir = program.Env, program.Dir
	return c
}
