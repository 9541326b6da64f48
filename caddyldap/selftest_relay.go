package caddyldap

import (
	"context"
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// testRelay logs the service account in at a server as clients would.
func (d *Directory) testRelay(ctx context.Context, s *server) error {
	r, ok := d.NTLMVerifier().(*Relay)
	if !ok {
		return nil
	}
	return d.byItself(ctx, func(ctx context.Context, secret identity.Secret) error {
		unbound, bound := r.at(ctx, s, secret)
		switch {
		case unbound != nil:
			return unbound
		case identity.KindOf(bound) == identity.KindChannelBinding:
			return bound
		}
		return nil
	})
}

// byItself tries a log-in of the service account, where that has a password.
func (d *Directory) byItself(ctx context.Context, try func(context.Context, identity.Secret) error) error {
	if !d.knowsPassword() {
		return nil
	}
	secret, err := d.service.account.evidence()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*overall)
	defer cancel()
	return try(ctx, secret)
}

// testSMB logs the service account in over SMB as clients would.
func (d *Directory) testSMB(ctx context.Context) error {
	s, ok := d.NTLMVerifier().(*SMB)
	if !ok {
		return nil
	}
	return d.byItself(ctx, func(ctx context.Context, secret identity.Secret) error {
		return relayOnce(ctx, d.asClient(secret), func(negotiate []byte) (identity.NTLMExchange, error) { return s.StartNTLM(ctx, negotiate, nil) })
	})
}

// at logs the service account in at a server, by its right password: what a
// controller thinks of a relay shows only after that. First as a client that sends no
// channel binding, then, where that went well, as a browser on HTTPS, which sends
// that of a connection that the controller does not know.
func (r *Relay) at(ctx context.Context, s *server, secret identity.Secret) (unbound, bound error) {
	client := r.directory.asClient(secret)
	start := func(negotiate []byte) (identity.NTLMExchange, error) {
		c, err := r.directory.connect(ctx, s)
		if err != nil {
			return nil, err
		}
		return r.begin(ctx, c, negotiate)
	}
	if unbound = relayOnce(ctx, client, start); unbound != nil {
		return unbound, nil
	}
	client.ChannelBinding = &[16]byte{1}
	bound = relayOnce(ctx, client, start)
	if identity.KindOf(bound) == identity.KindChannelBinding {
		bound = &identity.Error{
			Kind: identity.KindChannelBinding, Server: s.url.Addr(), Err: errors.New("the controller compares channel bindings (LdapEnforceChannelBinding is 1): clients on HTTPS send one, and will be refused"),
			Hint: "use verify netlogon, offer Basic on HTTPS (schemes basic), or set LdapEnforceChannelBinding to 0",
		}
	}
	return nil, bound
}

// knowsPassword reports whether the service account could log in by NTLM: neither
// a DN nor a keytab can.
func (d *Directory) knowsPassword() bool {
	return d.service != nil && d.ServiceAccount.Secret != "" && checkDN(d.ServiceAccount.Name) != nil
}

// asClient is the service account as an NTLM client.
func (d *Directory) asClient(secret identity.Secret) *ntlm.Client {
	name := identity.ParseName(d.ServiceAccount.Name)
	if _, _, isUPN := name.UPN(); !isUPN && name.Domain == "" {
		name.Domain = d.netBIOS()
	}
	return &ntlm.Client{Domain: name.Domain, User: name.User, Password: secret.Reveal()}
}

// relayOnce is one log-in by relay.
func relayOnce(ctx context.Context, client *ntlm.Client, start func(negotiate []byte) (identity.NTLMExchange, error)) error {
	x, err := start(client.Negotiate())
	if err != nil {
		return err
	}
	defer func() { _ = x.Close() }()
	authenticate, err := client.Authenticate(x.Challenge())
	if err != nil {
		return identity.Fail(identity.KindProtocol, err)
	}
	p, err := x.Finish(ctx, authenticate)
	if err != nil {
		return err
	}
	return p.Close()
}
