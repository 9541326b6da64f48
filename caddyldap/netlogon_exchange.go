package caddyldap

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// netlogonExchange is one client's NTLM handshake of which we are the server. It
// is memory alone.
type netlogonExchange struct {
	verifier  *Netlogon
	channel   *identity.Channel
	nonce     [8]byte
	negotiate []byte // the messages as they travelled, for the MIC
	challenge []byte

	mu    sync.Mutex
	ended bool
	stop  context.CancelFunc // of Finish; nil while it is not under way

	// Of Finish, once it has ended well.
	flags ntlm.Flags
	key   ntlm.Key // the exported session key
}

// maxNegotiate bounds, in bytes, the message of a stranger that is kept until the answer
// comes: a head, and the names of a domain and a workstation, [MS-NLMP] 2.2.1.1.
const maxNegotiate = 1 << 10

// begin answers a NEGOTIATE_MESSAGE with a challenge that nobody has seen, for
// one answer. It tells the machine's name and the domain's: a controller compares
// them with the channel's, [MS-NRPC] 3.5.4.5.1. The time makes clients send a
// message integrity code.
func (n *Netlogon) begin(negotiate []byte, channel *identity.Channel) (*netlogonExchange, error) {
	if len(negotiate) > maxNegotiate {
		return nil, identity.Fail(identity.KindOversize, fmt.Errorf("a Type 1 of %d bytes, and %d are the most", len(negotiate), maxNegotiate))
	}
	d := n.directory
	x := &netlogonExchange{verifier: n, channel: channel, negotiate: bytes.Clone(negotiate)}
	if _, err := rand.Read(x.nonce[:]); err != nil {
		return nil, identity.Fail(identity.KindInternal, err)
	}
	server := &ntlm.Server{NetBIOSDomain: d.netBIOS(), NetBIOSName: n.computer(), DNSDomain: d.dns(), Nonce: &x.nonce, Now: d.now}
	if server.DNSDomain != "" {
		server.DNSName = strings.ToLower(n.computer()) + "." + server.DNSDomain
	}
	var err error
	if x.challenge, err = server.Challenge(negotiate); err != nil {
		return nil, claimedBy(identity.Name{}, identity.Fail(identity.KindBadToken, err))
	}
	return x, nil
}

// Challenge implements identity.NTLMExchange.
func (x *netlogonExchange) Challenge() []byte { return x.challenge }

// Close implements identity.NTLMExchange.
func (x *netlogonExchange) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ended = true
	if x.stop != nil {
		x.stop()
	}
	return nil
}

// Finish implements identity.NTLMExchange.
func (x *netlogonExchange) Finish(ctx context.Context, authenticate []byte) (*identity.Principal, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if !x.take(stop) {
		return nil, identity.Fail(identity.KindState, errFinished)
	}
	message, err := ntlm.ParseAuthenticate(authenticate)
	if err != nil {
		return nil, identity.Fail(identity.KindBadToken, err)
	}
	claimed := identity.Name{Domain: message.Domain, User: message.User}
	if err := refuse(message, claimed, x.channel); err != nil {
		return nil, claimedBy(claimed, err)
	}
	p, err := x.judge(ctx, message, claimed)
	return p, claimedBy(claimed, err)
}

// take reports whether the challenge was still unused, and uses it.
func (x *netlogonExchange) take(stop context.CancelFunc) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return false
	}
	x.ended, x.stop = true, stop
	return true
}

// logon is the client's answer as a controller is asked about it.
func (x *netlogonExchange) logon(m *ntlm.Authenticate) *netlogon.Logon {
	return &netlogon.Logon{
		Domain: m.Domain, User: m.User, Workstation: m.Workstation,
		Challenge: x.nonce, NTResponse: m.NTResponse,
	}
}

// judge has a controller decide, and then checks what it leaves to us: the message
// integrity code, where the client has signed that there is one, and whose
// domain the account is of.
func (x *netlogonExchange) judge(ctx context.Context, m *ntlm.Authenticate, claimed identity.Name) (*identity.Principal, error) {
	response, err := m.V2()
	if err != nil {
		return nil, identity.Fail(identity.KindBadToken, err)
	}
	v, server, err := x.verifier.logOn(ctx, x.logon(m))
	if err != nil {
		return nil, wantLoginName(claimed, adLoginNames, x.verifier.directory.wantOwnSuffix(claimed, err))
	}
	if x.key, err = m.VerifyMIC(response, v.UserSessionKey, x.negotiate, x.challenge); err != nil {
		return nil, &identity.Error{
			Kind: identity.KindBadToken, Server: server, Err: fmt.Errorf("the log-in of %s was right, and then: %w", v, err),
			Hint: "somebody between client and server changes NTLM messages, or repeats them elsewhere",
		}
	}
	if err := x.verifier.isHome(ctx, v, m.Domain); err != nil {
		return nil, err
	}
	x.flags = m.Flags
	return x.verifier.directory.proveLogon(v, identity.Proof{Verifier: nameNetlogon, Claimed: claimed, Server: server, Meant: meant(response)})
}

// Signs implements identity.SigningExchange. The keys of clients that ask for no
// signing are not looked at: which one they use differs.
func (x *netlogonExchange) Signs() bool {
	return x.flags.Has(ntlm.NegotiateExtendedSessionSecurity) && x.flags&(ntlm.NegotiateSign|ntlm.NegotiateSeal) != 0
}

// GetMIC implements identity.SigningExchange.
func (x *netlogonExchange) GetMIC(message []byte) ([]byte, error) {
	c, err := ntlm.NewChannel(x.flags, x.key, ntlm.ServerToClient)
	if err != nil {
		return nil, err
	}
	mic := c.Sign(message)
	return mic[:], nil
}

// VerifyMIC implements identity.SigningExchange.
func (x *netlogonExchange) VerifyMIC(message, mic []byte) error {
	c, err := ntlm.NewChannel(x.flags, x.key, ntlm.ClientToServer)
	if err != nil {
		return err
	}
	return c.Verify(message, mic)
}

var _ identity.SigningExchange = (*netlogonExchange)(nil)
