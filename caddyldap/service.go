package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// refusedPause is how long a refused service account is left alone: each try
// counts towards its lockout. A changed secret is tried at once.
const refusedPause = 10 * time.Minute

// service is the service account and its one connection, on which everybody
// searches at once.
type service struct {
	directory *Directory
	name      string

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
	d.service = &service{directory: d, name: d.ServiceAccount.Name}
	_, err := d.service.secret()
	return err
}

// secret reads the secret anew, so that a file that changes is noticed. Its
// text shows in no error, unless it is nothing but a placeholder.
func (s *service) secret() (identity.Secret, error) {
	text := s.directory.ServiceAccount.Secret
	if strings.Contains(text, "{file.") || strings.Contains(text, "{env.") {
		source := "its secret"
		if strings.HasPrefix(text, "{") && strings.IndexByte(text, '}') == len(text)-1 {
			source = text
		}
		read, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
		if err != nil {
			return identity.Secret{}, fmt.Errorf("service_account %s: %s cannot be read or is empty: does it exist, and may this program read it?", s.name, source)
		}
		text = strings.TrimRight(read, "\r\n")
	}
	secret := identity.NewSecret(text)
	if secret.Blank() {
		return identity.Secret{}, fmt.Errorf("service_account %s: its secret is blank", s.name)
	}
	return secret, nil
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
	secret, err := s.secret()
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
	c, err := d.bind(ctx, s.bindName(), secret)
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

// bindName is as for users, and a DN as it stands.
func (s *service) bindName() string {
	if checkDN(s.name) == nil {
		return s.name
	}
	return bindName(identity.ParseName(s.name), s.directory.netBIOS(), s.directory.dns())
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
