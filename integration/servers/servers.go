// Package servers runs servers of others beside ours, for tests and benchmarks: on
// loopback, in the foreground, until the test ends.
package servers

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to answer on a busy machine.
const patience = 20 * time.Second

// Run starts a server that takes connections at an address, host:port, and gives its
// process id when it does. stop is what makes it end, with the test; nil for SIGTERM.
// One that does not is killed.
func Run(t testing.TB, server *exec.Cmd, address string, stop func()) (pid int) {
	t.Helper()
	return run(t, server, stop, func() error {
		nc, err := net.Dial("tcp", address)
		if err == nil {
			err = nc.Close()
		}
		return err
	})
}

// run is Run for a server of which ready says whether it answers.
func run(t testing.TB, server *exec.Cmd, stop func(), ready func() error) (pid int) {
	t.Helper()
	output := new(Output)
	server.Stdout, server.Stderr = output, output
	if err := server.Start(); err != nil {
		t.Fatalf("%v; integration/deps installs it", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		if stop != nil {
			stop()
		} else {
			_ = server.Process.Signal(syscall.SIGTERM)
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = server.Process.Kill()
			<-ended
		}
	})
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := ready()
		if err == nil {
			return server.Process.Pid
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", server.Path, err, output)
		default:
		}
		if time.Since(began) > patience {
			t.Fatalf("%s does not answer within %v: %v\n%s", server.Path, patience, err, output)
		}
	}
}

// Dir is a directory that a server can write to after it gave up root.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "caddy-ntlm-server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // a test's own
		t.Fatal(err)
	}
	return dir
}

// Output is what a program says, read while it still speaks.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *Output) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is all of it so far.
func (b *Output) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
