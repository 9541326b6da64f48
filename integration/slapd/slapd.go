// Package slapd runs Debian's OpenLDAP server on loopback for tests: a small
// organisation with the kinds of groups that Unix directories have. It needs what
// make deps installs.
package slapd

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed slapd.conf.tmpl people.ldif
var files embed.FS

// Base is where everything is but some groups, which are in Teams, another
// naming context.
const (
	Base  = "dc=example,dc=org"
	Teams = "o=teams"
)

// Passwords are Secr3t- and the uid; those of the services likewise.
const (
	// Service is the account that may read everything.
	Service         = "cn=svc-web,ou=services," + Base
	ServicePassword = "Secr3t-svc-web"

	// Admin may write.
	Admin         = "cn=admin," + Base
	AdminPassword = "Secr3t-admin"
)

// Server is a running slapd.
type Server struct {
	// LDAPS is its URL.
	LDAPS string
	// CA is the PEM file of the authority behind its certificate.
	CA string

	dir     string
	process *exec.Cmd
	ended   chan error
	looks   int // of ours at the monitor
}

// Start runs a server in a folder of its own, with its data.
func Start(dir string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{LDAPS: fmt.Sprintf("ldaps://127.0.0.1:%d", port), CA: filepath.Join(dir, "ca.pem"), dir: dir}
	if err := writeCertificates(dir); err != nil {
		return nil, err
	}
	for _, name := range [...]string{"data", "teams", "closed"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	if err := writeConfig(dir); err != nil {
		return nil, err
	}
	if err := s.run(); err != nil {
		return nil, err
	}
	if err := s.fill(); err != nil {
		said, _ := os.ReadFile(s.log())
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, said), s.Close())
	}
	return s, nil
}

func (s *Server) log() string { return filepath.Join(s.dir, "slapd.log") }

// run starts the process and waits until it answers.
func (s *Server) run() error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// -d keeps it in the foreground, where it dies with us.
	s.process = exec.Command("/usr/sbin/slapd", "-f", filepath.Join(s.dir, "slapd.conf"), "-h", s.LDAPS, "-d", "none")
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("starting slapd, which make deps installs: %w", err)
	}
	s.ended, s.looks = make(chan error, 1), 0
	process, ended := s.process, s.ended
	go func() { ended <- process.Wait() }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	address := strings.TrimPrefix(s.LDAPS, "ldaps://")
	for {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return nc.Close()
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("slapd does not answer: %w", err), s.Close())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// fill gives the server its entries, by ldapmodify: the memberOf overlay sees what
// comes over the wire alone.
func (s *Server) fill() error {
	people, err := files.ReadFile("people.ldif")
	if err != nil {
		return err
	}
	return s.Change(string(people))
}

// Change makes changes as LDIF tells them, RFC 2849; an entry without a changetype is
// added.
func (s *Server) Change(ldif string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	change := exec.CommandContext(ctx, "ldapmodify", "-a", "-x", "-H", s.LDAPS, "-D", Admin, "-w", AdminPassword)
	change.Env = append(os.Environ(), "LDAPTLS_CACERT="+s.CA)
	change.Stdin = strings.NewReader(ldif)
	if out, err := change.CombinedOutput(); err != nil {
		return fmt.Errorf("ldapmodify: %w\n%s", err, out)
	}
	return nil
}

// Kill ends the server as a fault would, and Restart brings it back with its data.
func (s *Server) Kill() error {
	err := s.process.Process.Kill()
	<-s.ended
	s.ended <- nil
	return err
}

// Restart runs a killed server again, at its address.
func (s *Server) Restart() error { return s.run() }

// Freeze lets the server accept and never answer, until Thaw.
func (s *Server) Freeze() error { return s.process.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.process.Process.Signal(syscall.SIGCONT) }

// Close ends the server and waits for it.
func (s *Server) Close() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.process.Process.Kill()
		<-s.ended
	}
	s.ended <- nil // for another Close
	return nil
}

func writeConfig(dir string) error {
	text, err := template.ParseFS(files, "slapd.conf.tmpl")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, "slapd.conf"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(text.Execute(file, map[string]string{
		"Dir": dir, "Base": Base, "Teams": Teams, "Admin": Admin, "AdminPassword": AdminPassword, "Service": Service,
	}), file.Close())
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
