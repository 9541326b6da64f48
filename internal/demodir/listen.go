package demodir

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Server is a running directory. Its owner calls Close.
type Server struct {
	cfg   Config
	tree  *tree
	certs *certificates
	fails failures

	ldap, ldaps net.Listener
	ctx         context.Context
	stop        context.CancelFunc
	running     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Start builds the directory and listens. A user or group that cannot be is an
// error.
func Start(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	t, err := buildTree(cfg)
	if err != nil {
		return nil, fmt.Errorf("demo directory: %w", err)
	}
	s := &Server{cfg: cfg, tree: t, conns: map[net.Conn]struct{}{}}
	if err := s.listen(); err != nil {
		return nil, fmt.Errorf("demo directory: %w", err)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.running.Go(func() { s.accept(s.ldap, false) })
	s.running.Go(func() { s.accept(s.ldaps, true) })
	return s, nil
}

func (s *Server) listen() error {
	addr, err := net.ResolveTCPAddr("tcp", s.cfg.Addr)
	if err != nil {
		return err
	}
	if addr.IP == nil || !addr.IP.IsLoopback() {
		return fmt.Errorf("address %s is not a loopback one", s.cfg.Addr)
	}
	if s.certs, err = makeCertificates(s.tree.hostName(), addr.IP); err != nil {
		return err
	}
	if s.ldaps, err = net.Listen("tcp", addr.String()); err != nil {
		return err
	}
	addr.Port = 0
	if s.ldap, err = net.Listen("tcp", addr.String()); err != nil {
		_ = s.ldaps.Close()
	}
	return err
}

func (s *Server) accept(l net.Listener, secure bool) {
	for {
		nc, err := l.Accept()
		if s.ctx.Err() != nil {
			if err == nil {
				_ = nc.Close()
			}
			return
		}
		if err != nil { // out of file descriptors, say
			s.wait(10 * time.Millisecond)
			continue
		}
		if !s.admit(nc) {
			_ = nc.Close()
			continue
		}
		s.running.Go(func() {
			defer s.dismiss(nc)
			s.serve(nc, secure)
		})
	}
}

func (s *Server) admit(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || len(s.conns) >= s.cfg.MaxConns {
		return false
	}
	s.conns[nc] = struct{}{}
	return true
}

func (s *Server) dismiss(nc net.Conn) {
	_ = nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
}

func (s *Server) serve(nc net.Conn, secure bool) {
	c := &conn{Server: s, raw: nc, stream: nc, secure: secure}
	if secure {
		c.stream = tls.Server(nc, s.certs.tlsConfig())
	}
	c.run()
}

// wait sleeps; it reports false when the server closed meanwhile.
func (s *Server) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// Close ends every connection and waits for its goroutine.
func (s *Server) Close() error {
	s.stop()
	_ = s.ldap.Close()
	_ = s.ldaps.Close()
	s.Disconnect()
	s.running.Wait()
	return nil
}

// Disconnect cuts every connection and keeps listening, as a controller that
// restarts.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nc := range s.conns {
		_ = nc.Close()
	}
}

// Connections is how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// LDAPS is the URL of the listener with TLS, "ldaps://127.0.0.1:port".
func (s *Server) LDAPS() string { return "ldaps://" + s.ldaps.Addr().String() }

// LDAP is the URL of the listener without TLS, for StartTLS.
func (s *Server) LDAP() string { return "ldap://" + s.ldap.Addr().String() }

// BaseDN is the DN of the domain, such as DC=example,DC=test.
func (s *Server) BaseDN() string { return s.tree.base }

// Users lists the configuration's accounts in its order.
func (s *Server) Users() []User { return slices.Clone(s.cfg.Users) }
