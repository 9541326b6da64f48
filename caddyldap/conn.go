package caddyldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
)

// conn is one connection to one controller. Until open it belongs to a SASL
// bind; from then on to the LDAP library, which knows no contexts: ask bounds
// what is done on it, and a connection on which an act was cut short is closed,
// since nobody knows what it still carries.
type conn struct {
	server  *server
	raw     net.Conn // TCP
	top     net.Conn // raw, or TLS over it
	secure  bool     // TLS
	request time.Duration
	shared  bool         // several acts at once, none of which may end another
	asking  atomic.Int32 // acts under way on a shared one
	freed   func()       // told when one of them ends
	gate    *ldapsasl.Gate
	client  *ldap.Conn

	reused bool      // taken from the spare ones: an earlier bind was somebody else's
	rested time.Time // since when it is a spare one
	cut    atomic.Bool

	closing sync.Once
}

// open hands the connection to the LDAP library.
func (c *conn) open() {
	c.gate = ldapsasl.NewGate(c.top)
	c.client = ldap.NewConn(c.gate, c.secure)
	c.client.Start()
}

// abort cuts the connection at once; close is still due.
func (c *conn) abort() {
	c.cut.Store(true)
	_ = c.raw.Close()
}

// farewell bounds the polite end of a connection.
const farewell = 250 * time.Millisecond

// close ends the connection. It may be called more than once.
func (c *conn) close() {
	c.closing.Do(func() {
		cut := time.AfterFunc(farewell, c.abort)
		defer cut.Stop()
		if c.client == nil {
			_ = c.top.Close()
			return
		}
		_ = c.client.Close()
	})
}

// lost reports whether the connection is of no more use.
func (c *conn) lost() bool { return c.client == nil || c.cut.Load() || c.client.IsClosing() }

// bounded runs an act that has the connection alone, for no longer than the
// context and the request timeout allow.
func (c *conn) bounded(ctx context.Context, act func() error) error {
	defer c.server.timed(time.Now())
	ctx, cancel := context.WithTimeout(ctx, c.request)
	defer cancel()
	stop := context.AfterFunc(ctx, c.abort)
	err := act()
	if !stop() {
		return context.Cause(ctx)
	}
	if err != nil && c.gate != nil && c.gate.Err() != nil && !isResult(err) {
		return c.gate.Err()
	}
	return err
}

// isResult reports whether the server itself gave this answer.
func isResult(err error) bool {
	var result *ldap.Error
	return errors.As(err, &result) && result.ResultCode < ldap.ErrorNetwork
}

// ask runs an act on an open connection and returns its answer.
func ask[T any](ctx context.Context, c *conn, act func(*ldap.Conn) (T, error)) (T, error) {
	if !c.shared {
		return askAlone(ctx, c, act)
	}
	type reply struct {
		answer T
		err    error
	}
	replies := make(chan reply, 1)
	// The request timeout alone ends it: others ask on this connection too.
	c.asking.Add(1)
	go func() {
		defer func() {
			c.asking.Add(-1)
			if c.freed != nil {
				c.freed()
			}
		}()
		answer, err := askAlone(context.WithoutCancel(ctx), c, act)
		replies <- reply{answer, err}
	}()
	select {
	case r := <-replies:
		return r.answer, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func askAlone[T any](ctx context.Context, c *conn, act func(*ldap.Conn) (T, error)) (T, error) {
	var answer T
	err := c.bounded(ctx, func() (err error) {
		answer, err = act(c.client)
		return err
	})
	return answer, err
}

// domainScope asks a controller to leave referrals out in the first place,
// [MS-ADTS] 3.1.1.3.4.1.4. Other servers ignore it.
const domainScope = "1.2.840.113556.1.4.1339"

var errLimit = errors.New("more entries than there should be")

// search asks for entries. More of them than limit are errLimit: a
// server decides neither how much we hold nor how long we read. Referrals are
// dropped: they would lead to whatever host the answer names.
func (c *conn) search(ctx context.Context, base string, scope int, filter string, limit int, attributes ...string) ([]*ldap.Entry, error) {
	request := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, limit, int(c.request/time.Second), false, filter, attributes,
		[]ldap.Control{ldap.NewControlString(domainScope, false, "")})
	request.EnforceSizeLimit = true
	result, err := ask(ctx, c, func(client *ldap.Conn) (*ldap.SearchResult, error) { return client.Search(request) })
	if errors.Is(err, ldap.ErrSizeLimitExceeded) || ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return nil, errLimit
	}
	if err != nil {
		return nil, err
	}
	if len(result.Referrals) > 0 && c.server.ignored != nil {
		c.server.ignored(result.Referrals)
	}
	return result.Entries, nil
}

// entry reads one entry by its DN, nil when there is none.
func (c *conn) entry(ctx context.Context, dn string, attributes ...string) (*ldap.Entry, error) {
	entries, err := c.search(ctx, dn, ldap.ScopeBaseObject, "(objectClass=*)", 1, attributes...)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return entries[0], nil
}

// dial connects to a server, with TLS before anything else is said.
func (d *Directory) dial(ctx context.Context, s *server) (*conn, error) {
	c, err := d.connect(ctx, s)
	d.metrics.dialled(ctx, d.name, s, err)
	return c, err
}

func (d *Directory) connect(ctx context.Context, s *server) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.dialTimeout())
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", s.url.Addr())
	if err != nil {
		return nil, diagnose(s, dialing, err)
	}
	c := &conn{server: s, raw: raw, top: raw, request: d.requestTimeout()}
	if s.tls == nil {
		return c, nil
	}
	stop := context.AfterFunc(ctx, c.abort)
	err = c.handshake(ctx, !s.url.TLS)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.abort()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, diagnose(s, dialing, err)
	}
	return c, nil
}

func (c *conn) handshake(ctx context.Context, startTLS bool) error {
	if startTLS {
		if err := ldapsasl.StartTLS(c.raw); err != nil {
			return err
		}
	}
	secure := tls.Client(c.raw, c.server.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	c.top, c.secure = secure, true
	return nil
}
