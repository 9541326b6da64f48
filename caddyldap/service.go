package caddyldap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// refusedPause is how long a refused service account is left alone: each try
// counts towards its lockout. A changed secret is tried at once.
const refusedPause = 10 * time.Minute

// service is the service account: how it binds, and the pool of its connections.
type service struct {
	directory *Directory
	name      string // for errors
	account   account
	pool      *pool

	mu      sync.Mutex
	refused identity.Secret
	refusal error         // of the refused secret
	until   time.Time     // the refused secret is not tried before
	pause   time.Duration // the last one that was a server's own trouble
}

func (d *Directory) newService() *service {
	if d.ServiceAccount == nil {
		return nil
	}
	s := &service{directory: d, name: d.ServiceAccount.shown(), account: d.newAccount(), pool: d.newPool()}
	s.pool.connect = s.attempt
	return s
}

// checkEvidence finds out, while the configuration loads, whether what the
// account proves itself with is there.
func (d *Directory) checkEvidence() error {
	if d.ServiceAccount == nil {
		return nil
	}
	account := d.newAccount()
	if k, ok := account.(*kerberosAccount); ok {
		return k.checkEvidence()
	}
	_, err := account.evidence()
	return err
}

// do asks something on one of the account's connections. One that its server has
// cut meanwhile shows when it is asked: that is nobody's trouble, and another one
// is asked instead, once. So is one whose server does not answer in time, or is
// busy; there no connection of its is asked again.
func (s *service) do(ctx context.Context, act func(c *conn, root rootDSE) error) error {
	for again := true; ; again = false {
		m, err := s.pool.acquire(ctx)
		if err != nil {
			return err
		}
		c := m.conn
		err = diagnose(c.server, searching, act(c, m.root))
		kind, left := identity.KindOf(err), ctx.Err() != nil
		hangs := err != nil && !left && (kind == identity.KindTimeout || kind == identity.KindBusy)
		if hangs {
			s.pool.drop(c.server)
			s.directory.servers.suspect(c.server)
		}
		broken := hangs || c.lost()
		s.pool.release(m)
		if err == nil || !again || !broken || left {
			return err
		}
	}
}

// warm binds the first connection, so that nobody has to wait for it. What goes
// wrong the self-test says.
func (s *service) warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	if m, err := s.pool.acquire(ctx); err == nil {
		s.pool.release(m)
	}
}

// attempt binds one more connection, to the server in service that has the
// fewest.
func (s *service) attempt(ctx context.Context, connections func(*server) int) (*conn, rootDSE, error) {
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
	c, err := s.bind(ctx, secret, connections)
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
	s.mu.Lock()
	s.pause = 0
	s.mu.Unlock()
	c.shared = true
	return c, root, nil
}

// bind connects and binds: each bind has a connection of its own.
func (s *service) bind(ctx context.Context, evidence identity.Secret, connections func(*server) int) (*conn, error) {
	var bound *conn
	err := s.directory.servers.spread(ctx, connections, func(ctx context.Context, c *conn) error {
		if err := s.account.bind(ctx, c, evidence); err != nil {
			c.close()
			if !unanswered(err) && !blamesAccount(err) {
				err = &elsewhere{err}
			}
			return err
		}
		bound = c
		return nil
	})
	return bound, err
}

// blamesAccount reports whether a refusal may be the account's own: its secret is
// wrong, or its standing bars it. Each such try may count towards a lockout. Other
// results, RFC 4511 A.2, are of the server, or of how it is configured.
func blamesAccount(err error) bool {
	a, ok := errors.AsType[*answer](err)
	switch {
	case !ok || a.code == ldap.LDAPResultInvalidCredentials:
		return true
	case a.code == ldap.LDAPResultUnwillingToPerform:
		return false
	}
	return identity.KindOf(err).AboutAccount()
}

// explain makes a refusal of the account everybody's 503, not their 401, and
// lets the account rest: long where the account may be to blame, else for a second
// at first. What gave no answer stays what it is.
func (s *service) explain(secret identity.Secret, err error) error {
	own, ok := errors.AsType[*elsewhere](err)
	if ok {
		err = own.error
	} else if unanswered(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pause, cure := refusedPause, "check name and secret of service_account "+s.name+"; it is tried again when the secret changes, or in "+refusedPause.String()
	if ok {
		s.pause = min(max(2*s.pause, firstBackoff), refusedPause)
		pause, cure = s.pause, "no server lets service_account "+s.name+" bind, for a reason of its own: ask its log; it is tried again in "+s.pause.String()
	}
	s.refused, s.until = secret, s.directory.now().Add(pause)
	e := &identity.Error{Kind: identity.KindServiceAccount, Err: err, Hint: cure}
	if cause, ok := errors.AsType[*identity.Error](err); ok {
		e.Server = cause.Server
		if cause.Hint != "" {
			e.Hint = cause.Hint
		}
	}
	s.refusal = e
	return e
}

func (s *service) close() { s.pool.close() }
