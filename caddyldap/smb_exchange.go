package caddyldap

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

// smbExchange is one client's NTLM handshake on one connection to one controller,
// which it holds until the client has answered. It is of two legs, and the
// connection serves nothing else.
type smbExchange struct {
	verifier   *SMB
	controller *controller
	channel    *identity.Channel // what the log-in is held to
	relay      *smb2.Relay
	message    []byte          // the controller's CHALLENGE_MESSAGE
	challenge  *ntlm.Challenge // what is in it

	mu    sync.Mutex
	conn  net.Conn
	phase phase
	stop  context.CancelFunc // of Finish; nil while it is not under way
}

var (
	errThirdLeg = errors.New("the controller asks for more after the AUTHENTICATE_MESSAGE")
	errEarlyYes = errors.New("the server says yes before it saw a proof")
)

// open hands the client's first message to a controller.
func (s *SMB) open(ctx context.Context, c *controller, negotiate []byte) (*smbExchange, *identity.Error) {
	conn, err := s.connect(ctx, c.addr)
	if err != nil {
		return nil, explainSMB(c.addr, err)
	}
	x := &smbExchange{verifier: s, controller: c, relay: smb2.NewRelay(conn), conn: conn}
	if err := x.begin(ctx, negotiate); err != nil {
		_ = conn.Close()
		return nil, explainSMB(c.addr, err)
	}
	return x, nil
}

func (x *smbExchange) begin(ctx context.Context, negotiate []byte) error {
	ctx, cancel := context.WithTimeout(ctx, x.verifier.directory.requestTimeout())
	defer cancel()
	message, more, err := x.relay.Start(ctx, negotiate)
	switch {
	case err != nil:
		return err
	case !more:
		return identity.Fail(identity.KindProtocol, errEarlyYes)
	}
	challenge, err := ntlm.ParseChallenge(message)
	if err != nil {
		return &identity.Error{Kind: identity.KindProtocol, Hint: hintNoSMB, Err: errors.Join(errNoChallenge, err)}
	}
	x.message, x.challenge = message, challenge
	return nil
}

// Challenge implements identity.NTLMExchange.
func (x *smbExchange) Challenge() []byte { return x.message }

// Close implements identity.NTLMExchange.
func (x *smbExchange) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.phase {
	case waiting:
		x.phase = ended
		return x.conn.Close()
	case finishing:
		x.stop() // Finish notices, and ends it
	case ended:
	}
	return nil
}

// take reports whether the challenge was still unused, and uses it.
func (x *smbExchange) take(stop context.CancelFunc) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase != waiting {
		return false
	}
	x.phase, x.stop = finishing, stop
	return true
}

// done ends the connection, and with it the session of whoever was let in.
func (x *smbExchange) done() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.phase = ended
	_ = x.conn.Close()
}

// Finish implements identity.NTLMExchange.
func (x *smbExchange) Finish(ctx context.Context, authenticate []byte) (*identity.Principal, error) {
	ctx, stop := context.WithTimeout(ctx, overall)
	defer stop()
	if !x.take(stop) {
		return nil, identity.Fail(identity.KindState, errFinished)
	}
	defer x.done()
	message, err := ntlm.ParseAuthenticate(authenticate)
	if err != nil {
		return nil, identity.Fail(identity.KindBadToken, err)
	}
	claimed := identity.Name{Domain: message.Domain, User: message.User}
	p, err := x.prove(ctx, authenticate, message, claimed)
	return p, claimedBy(claimed, wantLoginName(claimed, adLoginNames, err))
}

// prove has the controller decide. What stands in the message alone tells whose
// log-in it is, so that everything which makes two readers of it differ is refused
// before.
func (x *smbExchange) prove(ctx context.Context, authenticate []byte, m *ntlm.Authenticate, claimed identity.Name) (*identity.Principal, error) {
	d := x.verifier.directory
	if err := refuse(m, claimed, x.channel); err != nil {
		return nil, err
	}
	if err := readAlike(x.challenge, m); err != nil {
		return nil, err
	}
	own, err := d.ownNames(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.ofDomain(own, claimed); err != nil {
		return nil, err
	}
	if err := x.verifier.judges(ctx, own, x.challenge, m.Domain); err != nil {
		return nil, explainSMB(x.controller.addr, err)
	}
	response, err := m.V2()
	if err != nil {
		return nil, identity.Fail(identity.KindBadToken, err)
	}
	if !response.PromisesMIC() {
		authenticate = m.WithoutLM() // see exchange.prove
	}
	if err := x.ask(ctx, authenticate); err != nil {
		return nil, err
	}
	return d.proveNamed(ctx, claimed, identity.Proof{Verifier: nameSMB, Claimed: claimed, Server: x.controller.addr, Meant: meant(response)})
}

// ask sends the client's answer to the controller that gave the challenge.
func (x *smbExchange) ask(ctx context.Context, authenticate []byte) error {
	s := x.verifier
	bounded, cancel := context.WithTimeout(ctx, s.directory.requestTimeout())
	defer cancel()
	_, more, err := x.relay.Next(bounded, authenticate)
	if err == nil && more {
		err = identity.Fail(identity.KindProtocol, errThirdLeg)
	}
	if err == nil {
		x.done()
		s.back(x.controller, s.directory)
		return nil
	}
	failure := explainSMB(x.controller.addr, err)
	if !s.roster.done(failure) && ctx.Err() == nil {
		s.suspect(x.controller, s.directory)
	}
	return failure
}

var _ identity.NTLMExchange = (*smbExchange)(nil)
