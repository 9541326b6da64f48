// Package daemon keeps the process of a server for tests, one that Debian packages: it runs
// in the foreground, with what a server can do wrong, and dies with the tests.
//
//   - daemon.go: the process
//   - certificate.go: a certificate for it on loopback
//   - caddy.go: our own Caddy as such a server, where one process is not enough
package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// patience is how long a server may take to answer, or to end, on a busy machine.
const (
	patience    = 20 * time.Second
	endPatience = 20 * time.Second
)

// Daemon is a server's process. The fields are set before Run.
type Daemon struct {
	// Command makes the process, in the foreground.
	Command func() *exec.Cmd
	// Log is the file that its output is appended to.
	Log string
	// Ready asks whether the server answers; it is asked until it does.
	Ready func(context.Context) error
	// Stop is what has it end in order; zero where it has nothing to put in order, and is
	// killed.
	Stop syscall.Signal

	process *exec.Cmd
	ended   chan error
}

// Run starts the process and waits until it answers. After Kill it starts another one.
func (d *Daemon) Run() error {
	log, err := os.OpenFile(d.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.process = d.Command()
	name := filepath.Base(d.process.Path)
	d.process.Stdout, d.process.Stderr = log, log
	d.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.process.Start(); err != nil {
		return fmt.Errorf("starting %s, which make deps installs: %w", name, err)
	}
	d.ended = make(chan error, 1)
	process, ended := d.process, d.ended
	go func() { ended <- process.Wait() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := d.Ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("%s does not answer: %w\n%s", name, err, d.Said()), d.Close())
		}
		select {
		case err := <-d.ended:
			d.ended <- nil // for Close
			return fmt.Errorf("%s ended before it answered: %v\n%s", name, err, d.Said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Said is what the log holds.
func (d *Daemon) Said() string {
	text, err := os.ReadFile(d.Log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Kill ends the server as a fault would, and Run brings it back with what is on its disk.
func (d *Daemon) Kill() error {
	err := d.process.Process.Kill()
	<-d.ended
	d.ended <- nil
	return err
}

// Freeze lets the server accept and never answer, until Thaw.
func (d *Daemon) Freeze() error { return d.process.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (d *Daemon) Thaw() error { return d.process.Process.Signal(syscall.SIGCONT) }

// Close ends the server and waits for it. It may be called more than once. The error is of
// one that was to end in order and did not.
func (d *Daemon) Close() error {
	signal := d.Stop
	if signal == 0 {
		signal = syscall.SIGKILL
	}
	if err := d.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	var err error
	select {
	case err = <-d.ended:
	case <-time.After(endPatience):
		_ = d.process.Process.Kill()
		err = <-d.ended
	}
	d.ended <- nil // for another Close
	if err != nil && d.Stop != 0 {
		return fmt.Errorf("%s ended with %w\n%s", filepath.Base(d.process.Path), err, d.Said())
	}
	return nil
}

// FreePort is one that nobody listens on at the moment.
func FreePort(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
