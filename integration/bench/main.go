// Command bench measures what the plugin costs and prints one line a figure:
// name, value, unit and the smallest and largest of all rounds. It builds the
// benchmarks of the house once and runs them in rounds, so that what is
// compared was measured in the same minute on the same machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
	"github.com/caddy-ntlm/caddy-ntlm/integration/slapd"
)

// suite is a package and which of its benchmarks are run, for how long.
type suite struct {
	path, pattern, time string
	count               string // in each round
}

var suites = []suite{
	{"./caddyntlm", "^BenchmarkKnownConnection$", "100ms", "5"},
	{"./caddyntlm", "^BenchmarkIdleConnections$", "1x", "1"},
	{"./integration/bench", "^BenchmarkRequest$", "1s", "1"},
	{"./integration/bench", "^BenchmarkLogin$", "1500ms", "1"},
	{"./integration/bench", "^BenchmarkBasic", "1s", "1"},
	{"./integration/bench", "^BenchmarkSession$", "1s", "1"},
	{"./integration/bench", "^BenchmarkTicket$", "3x", "1"},
	{"./integration/bench", "^BenchmarkNTLM$", "3x", "1"},
	{"./integration/bench", "^BenchmarkHalfOpen$", "3x", "1"},
	{"./caddyldap", "^BenchmarkLookUp$", "1s", "1"},
}

// gssapiModule is Apache's mod_auth_gssapi where Debian has it.
const gssapiModule = "/usr/lib/apache2/modules/mod_auth_gssapi.so"

func main() {
	rounds := flag.Int("rounds", 5, "how often everything is measured")
	flag.Parse()
	if err := run(*rounds); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

func run(rounds int) error {
	dir, err := os.MkdirTemp("", "caddy-ntlm-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries := make(map[string]string)
	for _, s := range suites {
		if binaries[s.path] != "" {
			continue
		}
		binaries[s.path] = filepath.Join(dir, filepath.Base(s.path)+".test")
		build := exec.Command("go", "test", "-c", "-o", binaries[s.path], s.path)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building the benchmarks of %s: %w", s.path, err)
		}
	}
	if slapd, err := openLDAP(dir); err != nil {
		fmt.Fprintf(os.Stderr, "no figures of OpenLDAP: %v; make deps installs it\n", err)
	} else {
		defer func() { _ = slapd.Close() }()
	}
	if os.Getenv("LAB_DIR") == "" {
		if domain, err := samba(dir); err != nil {
			fmt.Fprintf(os.Stderr, "no figures of Samba: %v\n", err)
		} else {
			defer func() { _ = domain.Down() }()
		}
	}
	if _, err := os.Stat(gssapiModule); err != nil {
		fmt.Fprintf(os.Stderr, "no figures of Apache: %v; make deps installs it\n", err)
	}
	var all []figures
	for range rounds {
		round := make(figures)
		for _, s := range suites {
			out, err := s.measure(binaries[s.path])
			if err != nil {
				return err
			}
			round.read(out)
		}
		round.derive()
		all = append(all, round)
	}
	fmt.Printf("# %d cores, %s/%s, %s, %d rounds: median, smallest–largest\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), rounds)
	return write(os.Stdout, all)
}

// openLDAP runs a server and tells the benchmarks where it is.
func openLDAP(dir string) (*slapd.Server, error) {
	home := filepath.Join(dir, "slapd")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	server, err := slapd.Start(home)
	if err != nil {
		return nil, err
	}
	return server, os.Setenv("SLAPD_URL", server.LDAPS)
}

// samba runs a domain and tells the benchmarks where it is.
func samba(dir string) (*lab.Lab, error) {
	home := filepath.Join(dir, "lab")
	domain, err := lab.Up(home)
	if err != nil {
		return nil, err
	}
	return domain, os.Setenv("LAB_DIR", home)
}

// measure runs the benchmarks once, in the directory of their package.
func (s suite) measure(binary string) (string, error) {
	c := exec.Command(binary, "-test.run", "^$", "-test.bench", s.pattern, "-test.benchtime", s.time, "-test.count", s.count, "-test.benchmem", "-test.timeout", "3m")
	c.Dir = s.path
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", s.path, s.pattern, err, out)
	}
	return string(out), nil
}
