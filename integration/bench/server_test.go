package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-ntlm/caddy-ntlm/integration/servers"
)

// configVariable names the Caddyfile that this program serves instead of measuring:
// a server whose processor time is counted is a process of its own.
const configVariable = "BENCH_CADDYFILE"

// globalOptions begin the Caddyfile of every site that is measured: nothing runs but the
// site, and its log costs what a log costs and is kept nowhere.
const globalOptions = `{
	admin off
	persist_config off
	auto_https off
	log {
		output discard
	}
`

func TestMain(m *testing.M) {
	if address := os.Getenv(answererVariable); address != "" {
		if err := answer(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	file := os.Getenv(configVariable)
	if file == "" {
		os.Exit(m.Run())
	}
	if err := serve(file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve ends when whoever started it closes its input.
func serve(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, nil)
	if err == nil {
		err = caddy.Load(config, true)
	}
	if err != nil {
		return err
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	return caddy.Stop()
}

// startCaddy serves a Caddyfile in another process, until the benchmark ends, and
// gives its process id.
func startCaddy(b *testing.B, caddyfile, address string) int {
	b.Helper()
	file := filepath.Join(b.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		b.Fatal(err)
	}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), configVariable+"="+file)
	input, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	return servers.Run(b, server, address, func() { _ = input.Close() })
}

// cpuOf is what processes and their children have used, proc_pid_stat(5): user and
// system time, and that of children that have ended. Its unit is a hundredth of a
// second on every Linux.
func cpuOf(b *testing.B, pids ...int) time.Duration {
	b.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		b.Fatalf("no processes in /proc: %v", err)
	}
	ticks := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		own, _, _ := strings.Cut(string(raw), " ")
		_, after, found := strings.Cut(string(raw), ") ") // the name may hold anything
		fields := strings.Fields(after)                   // from the third of the manual on
		if !found || len(fields) < 15 || !among(pids, own) && !among(pids, fields[1]) {
			continue
		}
		for _, field := range fields[11:15] {
			n, err := strconv.Atoi(field)
			if err != nil {
				b.Fatalf("%s: %v", file, err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * (time.Second / 100)
}

func among(pids []int, pid string) bool {
	return slices.ContainsFunc(pids, func(p int) bool { return strconv.Itoa(p) == pid })
}
