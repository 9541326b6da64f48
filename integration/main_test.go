package integration

import (
	"fmt"
	"os"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// domain is the real Samba domain that all tests of the package share: two
// controllers, started before the first and stopped after the last.
var domain *lab.Lab

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "caddy-ntlm-lab-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if hand := os.Getenv("LAB_DIR"); hand != "" { // the one of make lab
		if domain, err = lab.Open(hand); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}
	domain, err = lab.Up(dir)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: starting the Samba domain: %v\nhint: make deps installs what it needs\n", err)
		return 1
	}
	defer func() {
		if err := domain.Down(); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the Samba domain: %v\n", err)
		}
	}()
	return m.Run()
}
