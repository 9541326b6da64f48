// Package redis runs Debian's Redis server on loopback for tests, with what a server can
// do wrong. It needs what make deps installs.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
)

// Password is what the server wants of its default user.
const Password = "Secr3t-redis"

// Options are what a server is told besides.
type Options struct {
	// Host is where it listens, 127.0.0.1 without.
	Host string
	// TLS has it speak TLS alone, with a certificate for 127.0.0.1 and ::1.
	TLS bool
	// Keep has it write each value to the disk before it confirms it.
	Keep bool
	// Args are more of redis.conf's words, as its command line has them.
	Args []string
}

// Server is a running Redis.
type Server struct {
	// Address is host:port.
	Address string
	// CA is the PEM file of the authority behind its certificate, empty without TLS.
	CA string

	*daemon.Daemon
	dir     string
	options Options
}

// Start runs a server in a folder of its own.
func Start(dir string, options Options) (*Server, error) {
	if options.Host == "" {
		options.Host = "127.0.0.1"
	}
	port, err := daemon.FreePort(options.Host)
	if err != nil {
		return nil, err
	}
	s := &Server{Address: net.JoinHostPort(options.Host, port), dir: dir, options: options}
	if options.TLS {
		s.CA = filepath.Join(dir, "ca.pem")
		if err := daemon.WriteCertificates(dir); err != nil {
			return nil, err
		}
	}
	s.Daemon = &daemon.Daemon{
		Command: func() *exec.Cmd { return exec.Command("redis-server", s.args()...) },
		Log:     filepath.Join(dir, "redis.log"), Ready: s.answers,
	}
	return s, s.Run()
}

// hostPort is where it listens.
func (s *Server) hostPort() (host, port string) {
	host, port, _ = net.SplitHostPort(s.Address) // made by JoinHostPort
	return host, port
}

func (s *Server) args() []string {
	host, port := s.hostPort()
	args := []string{"--bind", host, "--dir", s.dir, "--requirepass", Password, "--daemonize", "no", "--protected-mode", "no"}
	if s.options.TLS {
		args = append(args, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no", "--tls-ca-cert-file", s.CA,
			"--tls-cert-file", filepath.Join(s.dir, "cert.pem"), "--tls-key-file", filepath.Join(s.dir, "key.pem"))
	} else {
		args = append(args, "--port", port)
	}
	if s.options.Keep {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	} else {
		args = append(args, "--save", "")
	}
	return append(args, s.options.Args...)
}

// answers asks whether it serves.
func (s *Server) answers(context.Context) error {
	said, err := s.Do("PING")
	if err == nil && said != "PONG" {
		err = errors.New("no PONG")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", said, err)
	}
	return nil
}

// Restart runs a killed server again, at its address.
func (s *Server) Restart() error { return s.Run() }

// Do has redis-cli say something to the server, and gives what it prints. An error that the
// server answers with is one.
func (s *Server) Do(words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	host, port := s.hostPort()
	args := []string{"-h", host, "-p", port, "--no-auth-warning", "-e"}
	if s.options.TLS {
		args = append(args, "--tls", "--cacert", s.CA)
	}
	ask := exec.CommandContext(ctx, "redis-cli", append(args, words...)...)
	ask.Env = append(os.Environ(), "REDISCLI_AUTH="+Password)
	said, err := ask.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}
