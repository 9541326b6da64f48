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
	"syscall"
	"time"
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

	dir     string
	options Options
	process *exec.Cmd
	ended   chan error
}

// Start runs a server in a folder of its own.
func Start(dir string, options Options) (*Server, error) {
	if options.Host == "" {
		options.Host = "127.0.0.1"
	}
	port, err := freePort(options.Host)
	if err != nil {
		return nil, err
	}
	s := &Server{Address: net.JoinHostPort(options.Host, port), dir: dir, options: options}
	if options.TLS {
		s.CA = filepath.Join(dir, "ca.pem")
		if err := writeCertificates(dir); err != nil {
			return nil, err
		}
	}
	return s, s.run()
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

// run starts the process and waits until it answers.
func (s *Server) run() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "redis.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.process = exec.Command("redis-server", s.args()...)
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("starting redis-server, which make deps installs: %w", err)
	}
	s.ended = make(chan error, 1)
	process, ended := s.process, s.ended
	go func() { ended <- process.Wait() }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		if said, err := s.Do("PING"); err == nil && said == "PONG" {
			return nil
		} else if ctx.Err() != nil {
			wrote, _ := os.ReadFile(filepath.Join(s.dir, "redis.log"))
			return errors.Join(fmt.Errorf("redis-server does not answer: %s %w\n%s", said, err, wrote), s.Close())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Do has redis-cli say something to the server, and gives what it prints.
func (s *Server) Do(words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	host, port := s.hostPort()
	args := []string{"-h", host, "-p", port, "--no-auth-warning"}
	if s.options.TLS {
		args = append(args, "--tls", "--cacert", s.CA)
	}
	ask := exec.CommandContext(ctx, "redis-cli", append(args, words...)...)
	ask.Env = append(os.Environ(), "REDISCLI_AUTH="+Password)
	said, err := ask.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

// Kill ends the server as a fault would, and Restart brings it back with what is on its
// disk.
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

// Close ends the server and waits for it. It may be called more than once.
func (s *Server) Close() error {
	_ = s.process.Process.Kill() // it has nothing to put in order
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		return fmt.Errorf("redis-server %d does not end", s.process.Process.Pid)
	}
	s.ended <- nil // for another Close
	return nil
}

func freePort(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
