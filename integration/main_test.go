package integration

import (
	"fmt"
	"net"
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
	freeAddresses()
	domain, err = lab.Up(dir)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: starting the Samba domain: %v\nhint: it needs root on Debian, and what make deps installs\n", err)
		return 1
	}
	defer func() {
		if err := domain.Down(); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the Samba domain: %v\n", err)
		}
	}()
	return m.Run()
}

// freeAddresses moves the lab aside where another one is up, such as that of
// make lab.
func freeAddresses() {
	if os.Getenv("LAB_DC1") != "" {
		return
	}
	for subnet := range 100 {
		first, second := fmt.Sprintf("127.0.%d.21", subnet), fmt.Sprintf("127.0.%d.22", subnet)
		if isFree(first) && isFree(second) {
			os.Setenv("LAB_DC1", first)
			os.Setenv("LAB_DC2", second)
			return
		}
	}
}

func isFree(address string) bool {
	for _, port := range []string{"445", "636"} {
		l, err := net.Listen("tcp", net.JoinHostPort(address, port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
