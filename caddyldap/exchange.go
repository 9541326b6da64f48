package caddyldap

import (
	"context"
	"errors"
	"sync"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// exchange is one client's NTLM handshake on one connection to one controller.
// Between its calls it holds the connection and nothing else.
type exchange struct {
	directory *Directory
	bind      *ldapsasl.Bind
	challenge []byte
	channel   *identity.Channel // what the log-in is held to
	meant     identity.Meant

	mu    sync.Mutex
	conn  *conn
	phase phase
}

type phase uint8

const (
	waiting   phase = iota // for the client's answer
	finishing              // Finish has the connection
	ended
)

// Challenge implements identity.NTLMExchange.
func (x *exchange) Challenge() []byte { return x.challenge }

// Close implements identity.NTLMExchange. After Finish it does nothing: the
// connection then is the Principal's.
func (x *exchange) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.phase {
	case waiting:
		x.conn.close()
		x.phase = ended
	case finishing:
		x.conn.abort() // Finish notices, and ends it
	case ended:
	}
	return nil
}

var (
	errFinished = errors.New("the exchange has ended")
	errNoMIC    = errors.New("the client has signed that its message has a MIC, and it has none")
)

// Finish implements identity.NTLMExchange.
func (x *exchange) Finish(ctx context.Context, authenticate []byte) (*identity.Principal, error) {
	if !x.move(waiting, finishing) {
		return nil, identity.Fail(identity.KindState, errFinished)
	}
	defer x.move(finishing, ended)
	message, err := ntlm.ParseAuthenticate(authenticate)
	if err != nil {
		x.conn.close()
		return nil, identity.Fail(identity.KindBadToken, err)
	}
	claimed := identity.Name{Domain: message.Domain, User: message.User}
	err = refuse(message, claimed, x.channel)
	if err == nil {
		err = x.readable(message)
	}
	if err != nil {
		x.conn.close()
		return nil, claimedBy(claimed, err)
	}
	if response, err := message.V2(); err == nil { // refuse has read it
		x.meant = meant(response)
		if !response.PromisesMIC() {
			authenticate = message.WithoutLM()
		}
	}
	p, err := x.prove(ctx, authenticate, message, claimed)
	return p, claimedBy(claimed, wantLoginName(claimed, adLoginNames, err))
}

// readable refuses a message that the controller may read otherwise than we do: wrong
// passwords would be counted of another name than the one that it looks up.
func (x *exchange) readable(m *ntlm.Authenticate) error {
	challenge, err := ntlm.ParseChallenge(x.challenge)
	if err != nil {
		return &identity.Error{Kind: identity.KindProtocol, Server: x.conn.server.url.Addr(), Hint: hintMechanism, Err: err}
	}
	return readAlike(challenge, m)
}

func (x *exchange) move(from, to phase) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase != from {
		return false
	}
	x.phase = to
	return true
}

// refuse turns away what no controller may be asked: an anonymous log-in, which it
// would grant, NTLMv1 and LM, names that no account has, and what was meant for
// another server. The controller alone can tell that the client has said so; that
// it says nothing else it need not be asked about.
func refuse(m *ntlm.Authenticate, claimed identity.Name, channel *identity.Channel) error {
	if m.Anonymous() {
		return identity.Fail(identity.KindAnonymous, nil)
	}
	switch kind := m.ResponseKind(); kind {
	case ntlm.ResponseNTLMv2:
		// A controller may read a list of attributes otherwise than we do, and
		// it says where the client meant to go.
		response, err := m.V2()
		if err != nil {
			return identity.Fail(identity.KindBadToken, err)
		}
		if response.PromisesMIC() && m.MIC == nil {
			return identity.Fail(identity.KindBadToken, errNoMIC)
		}
		if err := claimed.Check(); err != nil {
			return err
		}
		return channel.Check(meant(response))
	case ntlm.ResponseNone:
		return identity.Fail(identity.KindAnonymous, nil)
	case ntlm.ResponseLMOnly, ntlm.ResponseNTLMv1, ntlm.ResponseNTLM2Session:
		return &identity.Error{
			Kind: identity.KindNTLMv1, Err: errors.New(kind.String()),
			Hint: "set LmCompatibilityLevel to 3 or more on the client",
		}
	default:
		return identity.Fail(identity.KindBadToken, errors.New("a response of no known kind"))
	}
}

// prove sends the client's answer to the controller that gave the challenge, and
// asks it whom it let in. The answer is unchanged but for an LM response that no
// message integrity code covers: where the NTLMv2 response is wrong controllers take
// an LMv2 response, and what the client meant could be anybody's words.
func (x *exchange) prove(ctx context.Context, authenticate []byte, m *ntlm.Authenticate, claimed identity.Name) (*identity.Principal, error) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	c := x.conn
	err := c.bounded(ctx, func() error {
		_, done, err := x.bind.Step(authenticate)
		if err == nil && !done {
			return x.clientSigning()
		}
		return err
	})
	if err != nil {
		c.close()
		return nil, diagnose(c.server, relaying, err)
	}
	c.open()
	p, err := x.directory.whois(ctx, c, claimed, x.meant)
	if err != nil && !c.secure && m.Flags&(ntlm.NegotiateSign|ntlm.NegotiateSeal) != 0 && unanswered(err) {
		return nil, x.clientSigning() // the controller now talks sealed, and we have no key
	}
	return p, err
}

// meant is what a client has said of where it logs in, [MS-NLMP] 3.1.5.1.2.
func meant(r *ntlm.NTLMv2Response) identity.Meant {
	var m identity.Meant
	if b, ok := r.AVPairs.ChannelBindings(); ok {
		m.Binding = &b
	}
	m.Target, _ = r.AVPairs.TargetName()
	return m
}

func (x *exchange) clientSigning() error {
	return &identity.Error{Kind: identity.KindClientSigning, Server: x.conn.server.url.Addr(), Hint: hintClientSigning}
}

var _ identity.NTLMExchange = (*exchange)(nil)
