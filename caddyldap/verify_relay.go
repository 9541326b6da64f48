package caddyldap

import (
	"context"
	"errors"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ldapsasl"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

func init() {
	caddy.RegisterModule(Relay{})
}

// Relay decides by handing the client's NTLM messages, byte for byte, to a
// controller in an LDAP bind.
type Relay struct {
	directory *Directory
}

// CaddyModule returns the Caddy module information.
func (Relay) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: Namespace + "." + nameRelay, New: func() caddy.Module { return new(Relay) }}
}

// Attach implements Verifier.
func (r *Relay) Attach(d *Directory) error {
	r.directory = d
	return nil
}

// StartNTLM implements identity.NTLMVerifier: it connects to a controller,
// which the exchange then is bound to.
func (r *Relay) StartNTLM(ctx context.Context, negotiate []byte, channel *identity.Channel) (identity.NTLMExchange, error) {
	if _, err := ntlm.ParseNegotiate(negotiate); err != nil {
		return nil, identity.Fail(identity.KindBadToken, err) // whatever a controller would make of it
	}
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	var x *exchange
	err := r.directory.servers.try(ctx, func(ctx context.Context, c *conn) (err error) {
		x, err = r.begin(ctx, c, negotiate)
		return err
	})
	if err != nil {
		return nil, claimedBy(identity.Name{}, err)
	}
	x.channel = channel
	return x, nil
}

func (r *Relay) begin(ctx context.Context, c *conn, negotiate []byte) (*exchange, error) {
	x := &exchange{directory: r.directory, conn: c, bind: ldapsasl.NewBind(c.top)}
	if err := x.challengeFor(ctx, negotiate); err != nil {
		c.close()
		return nil, diagnose(c.server, relaying, err)
	}
	return x, nil
}

var errNoChallenge = errors.New("the controller's answer to the NEGOTIATE_MESSAGE is no CHALLENGE_MESSAGE")

func (x *exchange) challengeFor(ctx context.Context, negotiate []byte) error {
	return x.conn.bounded(ctx, func() error {
		challenge, done, err := x.bind.Step(negotiate)
		if err != nil {
			return err
		}
		if done || !ntlm.IsMessage(challenge) {
			return &identity.Error{Kind: identity.KindProtocol, Server: x.conn.server.url.Addr(), Hint: hintMechanism, Err: errNoChallenge}
		}
		x.challenge = challenge
		return nil
	})
}

// Interface guards.
var (
	_ Verifier              = (*Relay)(nil)
	_ identity.NTLMVerifier = (*Relay)(nil)
)
