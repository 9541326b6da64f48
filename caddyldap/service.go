package caddyldap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// refusedPause is how long a refused service account is left alone: each try
// counts towards its lockout. A changed secret is tried at once.
const refusedPause = 10 * time.Minute

// service is the service account and its one connection, on which everybody
// searches at once.
type service struct {
	directory *Directory
	name      string // for errors
	account   account

	mu      sync.Mutex
	conn    *conn
	root    rootDSE
	pending chan struct{} // closed when the attempt under way ends
	err     error         // of the last attempt
	refused identity.Secret
	refusal error     // of the refused secret
	until   time.Time // the refused secret is not tried before
	closed  bool
}

func (d *Directory) setService() error {
	if d.ServiceAccount == nil {
		return nil
	}
	d.service = &service{directory: d, name: d.ServiceAccount.shown(), account: d.newAccount()}
	if k, ok := d.service.account.(*kerberosAccount); ok {
		return k.checkEvidence()
	}
	_, err := d.service.account.evidence()
	return err
}

// connection is the account's connection, bound, and what its server says of
// itself.
func (s *service) connection(ctx context.Context) (*conn, rootDSE, error) {
	for attempt := 0; ; attempt++ {
		s.mu.Lock()
		if s.conn != nil && !s.conn.lost() {
			defer s.mu.Unlock()
			return s.conn, s.root, nil
		}
		if s.closed || attempt > 0 && s.err != nil {
			defer s.mu.Unlock()
			return nil, rootDSE{}, s.failure()
		}
		if s.pending == nil {
			s.pending = make(chan struct{})
			s.directory.spawn(s.connect)
		}
		pending := s.pending
		s.mu.Unlock()
		select {
		case <-pending:
		case <-ctx.Done():
			return nil, rootDSE{}, identity.Fail(identity.KindTimeout, context.Cause(ctx))
		}
	}
}

// do asks something on the account's connection. A connection that its server has
// cut meanwhile shows when it is asked: that is nobody's trouble, and a new one is
// asked instead, once.
func (s *service) do(ctx context.Context, act func(c *conn, root rootDSE) error) error {
	for again := true; ; again = false {
		c, root, err := s.connection(ctx)
		if err != nil {
			return err
		}
		err = act(c, root)
		if err == nil || !again || !c.lost() || ctx.Err() != nil {
			return diagnose(c.server, searching, err)
		}
	}
}

func (s *service) failure() error {
	if s.err == nil {
		return identity.Fail(identity.KindUnavailable, errors.New("the directory is closed"))
	}
	return s.err
}

// connect makes one attempt, for everybody who waits.
func (s *service) connect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	c, root, err := s.attempt(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && c != nil {
		c.close()
		c, err = nil, identity.Fail(identity.KindUnavailable, errors.New("the directory is closed"))
	}
	if old := s.conn; old != nil {
		s.directory.spawn(func(context.Context) { old.close() })
	}
	s.conn, s.root, s.err = c, root, err
	close(s.pending)
	s.pending = nil
}

func (s *service) attempt(ctx context.Context) (*conn, rootDSE, error) {
	secret, err := s.account.evidence()
	if err != nil {
		return nil, rootDSE{}, identity.Fail(identity.KindServiceAccount, err)
	}
	d := s.directory
	s.mu.Lock()
	resting := secret == s.refused && d.now().Before(s.until)
	refusal := s.refusal
	s.mu.Unlock()
	if resting {
		return nil, rootDSE{}, refusal
	}
	if err := d.nameDomain(ctx); err != nil {
		return nil, rootDSE{}, err
	}
	c, err := s.bind(ctx, secret)
	if err != nil {
		return nil, rootDSE{}, s.explain(secret, err)
	}
	root, err := readRoot(ctx, c)
	if err == nil {
		err = d.learn(ctx, c, root)
	}
	if err != nil {
		c.close()
		return nil, rootDSE{}, diagnose(c.server, searching, err)
	}
	c.shared = true
	return c, root, nil
}

// bind connects and binds: each bind has a connection of its own.
func (s *service) bind(ctx context.Context, evidence identity.Secret) (*conn, error) {
	var bound *conn
	err := s.directory.servers.try(ctx, func(ctx context.Context, c *conn) error {
		if err := s.account.bind(ctx, c, evidence); err != nil {
			c.close()
			return err
		}
		bound = c
		return nil
	})
	return bound, err
}

// explain makes a refusal of the account everybody's 503, not their 401, and
// lets the account rest. A server's own trouble stays what it is.
func (s *service) explain(secret identity.Secret, err error) error {
	if unanswered(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused, s.until = secret, s.directory.now().Add(refusedPause)
	e := &identity.Error{Kind: identity.KindServiceAccount, Err: err, Hint: "check name and secret of service_account " + s.name + "; it is tried again when the secret changes, or in " + refusedPause.String()}
	if cause, ok := errors.AsType[*identity.Error](err); ok {
		e.Server = cause.Server
		if cause.Hint != "" {
			e.Hint = cause.Hint
		}
	}
	s.refusal = e
	return e
}

func (s *service) close() {
	s.mu.Lock()
	s.closed = true
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		c.close()
	}
}
