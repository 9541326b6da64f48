// Package lab runs a real Active Directory on loopback for tests: two Samba
// domain controllers, with accounts that provoke each refusal a controller
// knows. It needs root on Debian; the script lab beside this file does the
// work and can be used by hand.
package lab

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrUnsupported is what Up returns on a machine that cannot run the lab.
var ErrUnsupported = errors.New("the lab needs root on Debian")

//go:embed lab *.sh accounts.py names.py heap.py accounts.json
var script embed.FS

// A Lab is a running domain. Controllers are numbered 1 and 2.
type Lab struct {
	Dir           string // holds the domain's files
	Domain        string // NetBIOS name
	Realm         string // Kerberos realm
	DNSDomain     string
	BaseDN        string
	DomainSID     string
	AdminPassword string // of Administrator

	env      map[string]string
	watcher  *exec.Cmd
	lifeline io.Closer
}

// Up builds the domain in dir, or starts the one that is there, and returns
// when both controllers answer LDAP and SMB. It installs missing packages.
// Addresses come from the environment, LAB_DC1 and LAB_DC2, where they are
// set. The controllers die with this process; Down ends them before.
func Up(dir string) (*Lab, error) {
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return nil, ErrUnsupported
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := writeScript(filepath.Join(dir, "script")); err != nil {
		return nil, fmt.Errorf("writing the lab's script: %w", err)
	}
	l := &Lab{Dir: dir}
	if err := l.run("install"); err != nil {
		return nil, err
	}
	if err := l.watch(); err != nil {
		return nil, fmt.Errorf("starting the lab's watcher: %w", err)
	}
	if err := l.run("up", dir); err != nil {
		return nil, errors.Join(err, l.release())
	}
	if err := l.readEnv(); err != nil {
		return nil, errors.Join(err, l.Down())
	}
	return l, nil
}

// Open returns the lab that `lab up dir` has started by hand. It does not end
// with this process.
func Open(dir string) (*Lab, error) {
	l := &Lab{Dir: dir}
	if err := writeScript(filepath.Join(dir, "script")); err != nil {
		return nil, fmt.Errorf("writing the lab's script: %w", err)
	}
	return l, l.readEnv()
}

// Down ends both controllers. Their data stays for another Up.
func (l *Lab) Down() error {
	return errors.Join(l.run("down", l.Dir), l.release())
}

// Stop cuts the power of controller n.
func (l *Lab) Stop(n int) error { return l.one("stop", n) }

// Start starts controller n and returns when it answers.
func (l *Lab) Start(n int) error { return l.one("start", n) }

// Freeze makes controller n hang: its ports accept, and nothing answers.
func (l *Lab) Freeze(n int) error { return l.one("freeze", n) }

// Thaw ends Freeze.
func (l *Lab) Thaw(n int) error { return l.one("thaw", n) }

// Unlock ends a lockout and clears the count of wrong passwords, at both.
func (l *Lab) Unlock(sam string) error { return l.run("unlock", l.Dir, sam) }

// SambaTool runs samba-tool beside controller n, as "group", "addmembers",
// "HR", "bob".
func (l *Lab) SambaTool(n int, arguments ...string) error {
	return l.run(append([]string{"shell", l.Dir, strconv.Itoa(n), "samba-tool"}, arguments...)...)
}

// Heap adds the account heavy at controller n, password Secr3t-heavy: in 2,000
// groups heap-0001 to heap-2000, in a ring of ring-a and ring-b, and at the foot
// of a chain from chain-01 up to chain-60.
func (l *Lab) Heap(n int) error {
	return l.run("shell", l.Dir, strconv.Itoa(n), "/usr/bin/python3", filepath.Join(l.Dir, "script", "heap.py"), filepath.Join(l.Dir, "dc"+strconv.Itoa(n)))
}

// StrongAuth sets Samba's `ldap server require strong auth` to no,
// allow_sasl_over_tls (as it is at first) or yes, and restarts both.
func (l *Lab) StrongAuth(value string) error { return l.run("strong-auth", l.Dir, value) }

// Replicate brings both controllers to the same data.
func (l *Lab) Replicate() error { return l.run("replicate", l.Dir) }

// CA is the path of the certificate authority's PEM file.
func (l *Lab) CA() string { return l.env["CA"] }

// KRB5Config is the path of a krb5.conf for the realm.
func (l *Lab) KRB5Config() string { return l.env["KRB5_CONFIG"] }

// HTTPKeytab is the path of svc-web's keytab: HTTP/web.example.test,
// HTTP/localhost, with AES and RC4 keys.
func (l *Lab) HTTPKeytab() string { return l.env["HTTP_KEYTAB"] }

// RC4Keytab is the path of svc-rc4's keytab. The controllers give RC4 tickets
// for its name, HTTP/rc4.example.test.
func (l *Lab) RC4Keytab() string { return l.env["RC4_KEYTAB"] }

// Addr is the IP address of controller n. DNS answers on its port 53.
func (l *Lab) Addr(n int) string { return l.env["DC"+strconv.Itoa(n)+"_ADDR"] }

// Host is the DNS name of controller n, which resolves only in its own DNS.
func (l *Lab) Host(n int) string { return l.env["DC"+strconv.Itoa(n)+"_HOST"] }

// LDAPS is the ldaps URL of controller n, by address; the certificate names it.
func (l *Lab) LDAPS(n int) string { return "ldaps://" + l.Addr(n) }

// LDAP is the ldap URL of controller n, by address. It speaks StartTLS.
func (l *Lab) LDAP(n int) string { return "ldap://" + l.Addr(n) }

// Environ is this process's environment with what kinit, curl, ldapsearch and
// their like need to find the domain.
func (l *Lab) Environ() []string {
	return append(os.Environ(), "KRB5_CONFIG="+l.KRB5Config(), "LDAPTLS_CACERT="+l.CA())
}

// Processes are the process ids of controller n as it is now.
func (l *Lab) Processes(n int) ([]int, error) {
	out, err := l.command("processes", l.Dir, strconv.Itoa(n)).Output()
	if err != nil {
		return nil, fmt.Errorf("lab processes %d: %w", n, err)
	}
	var pids []int
	for _, word := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("lab processes %d: %w", n, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

func (l *Lab) one(command string, n int) error {
	return l.run(command, l.Dir, strconv.Itoa(n))
}

func (l *Lab) run(arguments ...string) error {
	out, err := l.command(arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("lab %s: %w\n%s", strings.Join(arguments, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (l *Lab) command(arguments ...string) *exec.Cmd {
	return exec.Command("bash", append([]string{filepath.Join(l.Dir, "script", "lab")}, arguments...)...)
}

// watch starts the process that takes the lab down when this one is gone: it
// reads a pipe that only we hold open.
func (l *Lab) watch() error {
	log, err := os.Create(filepath.Join(l.Dir, "watch.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	l.watcher = l.command("watch", l.Dir)
	l.watcher.Stdout, l.watcher.Stderr = log, log
	if l.lifeline, err = l.watcher.StdinPipe(); err != nil {
		return err
	}
	return l.watcher.Start()
}

// release lets the watcher do its work, and waits for its end.
func (l *Lab) release() error {
	if l.watcher == nil {
		return nil
	}
	err := errors.Join(l.lifeline.Close(), l.watcher.Wait())
	l.watcher = nil
	return err
}

func (l *Lab) readEnv() error {
	text, err := os.ReadFile(filepath.Join(l.Dir, "env"))
	if err != nil {
		return err
	}
	l.env = map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		l.env[name] = value
	}
	l.Domain, l.Realm, l.DNSDomain = l.env["DOMAIN"], l.env["REALM"], l.env["DNS_DOMAIN"]
	l.BaseDN, l.DomainSID, l.AdminPassword = l.env["BASE_DN"], l.env["DOMAIN_SID"], l.env["ADMIN_PASSWORD"]
	return nil
}

func writeScript(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := script.ReadDir(".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		text, err := script.ReadFile(entry.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), text, 0o755); err != nil {
			return err
		}
	}
	return nil
}
