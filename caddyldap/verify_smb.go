package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

func init() {
	caddy.RegisterModule(new(SMB))
}

// SMB decides by handing the client's NTLM messages, byte for byte, to a controller
// in an SMB session setup, [MS-SMB2] 3.2.4.2.3. The controller's answer is signed
// under a key that the client and the controller have and nobody here: whoever
// answers in the controller's place lets in whom he likes. Nor does the answer say
// who was let in, so that the account is looked up by the name that the client
// wrote. For controllers that can be asked in no better way.
type SMB struct {
	// Has to be true: that an answer is the controller's own cannot be checked.
	InsecureUnverifiedAnswer bool `json:"insecure_unverified_answer"`

	directory *Directory
	roster
	known map[string]*controller // by host:port; under roster.mu
	dial  func(ctx context.Context, address string) (net.Conn, error)

	judging sync.Map // computers that are controllers, in capitals
}

// CaddyModule returns the Caddy module information.
func (*SMB) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: Namespace + "." + nameSMB, New: func() caddy.Module { return new(SMB) }}
}

// The texts of what smb gives away.
const (
	wordUnverified = "insecure_unverified_answer"
	hintUnverified = "an answer of SMB is signed under a key that only the client and the controller have, so nobody here can tell whether it is the controller's: whoever gets between this machine and port 445 of a controller lets in whom he likes, under any name; write verify netlogon, whose answers are proven"
)

// CheckStatic says what is wrong with the words.
func (s *SMB) CheckStatic() error {
	if !s.InsecureUnverifiedAnswer {
		return errors.New("smb: " + hintUnverified + "; who accepts that risk writes verify smb " + wordUnverified)
	}
	return nil
}

// Attach implements Verifier.
func (s *SMB) Attach(d *Directory) error {
	if err := s.CheckStatic(); err != nil {
		return err
	}
	if d.ServiceAccount == nil {
		return errors.New("smb: SMB says yes or no, and neither who somebody is nor in which groups: write a service_account line, with which accounts are looked up")
	}
	s.directory = d
	if s.dial == nil {
		dialer := &net.Dialer{Timeout: d.dialTimeout()}
		s.dial = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	s.roster = roster{word: nameSMB, dead: explainSMB, done: settledSMB, unfit: unreachable}
	s.begin()
	return nil
}

// Cleanup implements caddy.CleanerUpper.
func (s *SMB) Cleanup() error {
	if s.directory != nil {
		s.finish()
	}
	return nil
}

// TakesSigning implements identity.SigningVerifier.
func (*SMB) TakesSigning() bool { return true }

// maxSent is how often a password goes to controllers that do not answer: each time
// may count as a wrong one.
const maxSent = 2

// fairDial is how much time a controller has had at least to take a connection where it
// is put aside for taking none.
const fairDial = time.Second

// portSMB is that of the direct TCP transport, [MS-SMB2] 2.1.
const portSMB = "445"

// controllers are those of the directory, in its order: the hosts of its servers,
// whatever port these have for LDAP.
func (s *SMB) controllers(ctx context.Context) ([]*controller, error) {
	d := s.directory
	if err := d.servers.await(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*controller
	known := make(map[string]*controller) // those that DNS names no longer go
	for _, sv := range d.servers.all() {
		addr := net.JoinHostPort(sv.url.Host, portSMB)
		if known[addr] != nil {
			continue
		}
		c := s.known[addr]
		if c == nil {
			c = &controller{addr: addr, greet: func(ctx context.Context) error { return s.greet(ctx, addr) }}
		}
		known[addr] = c
		list = append(list, c)
	}
	s.known = known
	return list, nil
}

// greet finds out whether a host speaks SMB.
func (s *SMB) greet(ctx context.Context, addr string) error {
	conn, err := s.connect(ctx, addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return smb2.Greet(ctx, conn)
}

// connect tells a controller that takes no connection from a log-in that had no time
// left for one.
func (s *SMB) connect(ctx context.Context, addr string) (net.Conn, error) {
	began := time.Now()
	conn, err := s.dial(ctx, addr)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil && time.Since(began) < fairDial:
		return nil, fmt.Errorf("no time was left to connect: %w", context.Cause(ctx))
	}
	return nil, &unreachableError{err}
}

// StartNTLM implements identity.NTLMVerifier: it connects to a controller, which
// the exchange then is bound to.
func (s *SMB) StartNTLM(ctx context.Context, negotiate []byte, channel *identity.Channel) (identity.NTLMExchange, error) {
	if _, err := ntlm.ParseNegotiate(negotiate); err != nil {
		return nil, identity.Fail(identity.KindBadToken, err) // whatever a controller would make of it
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	all, err := s.controllers(ctx)
	if err != nil {
		return nil, claimedBy(identity.Name{}, err)
	}
	var x *smbExchange
	failure := s.each(ctx, s.directory, all, nil, func(ctx context.Context, c *controller) (failure *identity.Error) {
		x, failure = s.open(ctx, c, negotiate)
		return failure
	})
	if failure != nil {
		return nil, failure
	}
	x.channel = channel
	return x, nil
}

// VerifyPassword implements identity.PasswordVerifier: we are the client, and the
// controller sees no password.
func (s *SMB) VerifyPassword(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	p, err := s.verify(ctx, name, password)
	return p, claimedBy(name, err)
}

func (s *SMB) verify(ctx context.Context, name identity.Name, password identity.Secret) (*identity.Principal, error) {
	if err := checkTyped(name, password); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	own, err := s.directory.ownNames(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.directory.ofDomain(own, name); err != nil {
		return nil, err
	}
	all, err := s.controllers(ctx)
	if err != nil {
		return nil, err
	}
	asked := own.qualified(name)
	server, sent := "", 0
	spent := func() bool { return sent >= maxSent }
	failure := s.each(ctx, s.directory, all, spent, func(ctx context.Context, c *controller) *identity.Error {
		server = c.addr
		failure := s.logOn(ctx, c, own, asked, password)
		if failure != nil && !unreachable(failure) {
			sent++
		}
		return failure
	})
	if failure != nil {
		return nil, wantLoginName(name, adLoginNames, failure)
	}
	return s.directory.proveNamed(ctx, asked, identity.Proof{Verifier: nameSMB, Claimed: name, Server: server})
}

func (s *SMB) logOn(ctx context.Context, c *controller, own domainNames, asked identity.Name, password identity.Secret) *identity.Error {
	conn, err := s.connect(ctx, c.addr)
	if err != nil {
		return explainSMB(c.addr, err)
	}
	defer func() { _ = conn.Close() }()
	host, _, _ := net.SplitHostPort(c.addr)
	err = smb2.LogOn(ctx, conn, smb2.LogOnOptions{
		Server:  host,
		Account: smb2.Account{User: asked.User, Domain: asked.Domain, Password: password.Reveal()},
		Challenge: func(challenge []byte) error {
			ch, err := ntlm.ParseChallenge(challenge)
			if err != nil {
				return err
			}
			return s.judges(ctx, own, ch, asked.Domain)
		},
	})
	if errors.Is(err, ntstatus.InvalidParameter) { // our own message is no bad token
		return &identity.Error{Kind: identity.KindProtocol, Server: c.addr, Err: err, Hint: "the controller finds the log-in changed on its way"}
	}
	if err != nil {
		return explainSMB(c.addr, err)
	}
	return nil
}

// Interface guards.
var (
	_ Verifier                  = (*SMB)(nil)
	_ caddy.CleanerUpper        = (*SMB)(nil)
	_ identity.SigningVerifier  = (*SMB)(nil)
	_ identity.PasswordVerifier = (*SMB)(nil)
)
