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

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
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

	*daemon.Daemon
	looks int // of ours at the monitor
}

// Start runs a server in a folder of its own, with its data.
func Start(dir string) (*Server, error) {
	port, err := daemon.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", port)
	s := &Server{LDAPS: "ldaps://" + address, CA: filepath.Join(dir, "ca.pem")}
	s.Daemon = &daemon.Daemon{
		// -d keeps it in the foreground, where it dies with us.
		Command: func() *exec.Cmd {
			return exec.Command("/usr/sbin/slapd", "-f", filepath.Join(dir, "slapd.conf"), "-h", s.LDAPS, "-d", "none")
		},
		Log: filepath.Join(dir, "slapd.log"), Stop: syscall.SIGTERM,
		Ready: func(ctx context.Context) error {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err == nil {
				err = nc.Close()
			}
			return err
		},
	}
	if err := daemon.WriteCertificates(dir); err != nil {
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
	if err := s.Run(); err != nil {
		return nil, err
	}
	if err := s.fill(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, s.Said()), s.Close())
	}
	return s, nil
}

// Restart runs a killed server again, at its address, with its data.
func (s *Server) Restart() error {
	s.looks = 0
	return s.Run()
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
