package caddyldap

import (
	"context"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
)

// connector opens a stream to a controller's Netlogon.
type connector = func(context.Context) (dcerpc.Stream, error)

// greeting opens a stream and no channel on it.
func greeting(connect connector) func(context.Context) error {
	return func(ctx context.Context) error {
		stream, err := connect(ctx)
		if err == nil {
			_ = stream.Close()
		}
		return err
	}
}

// logOn has a controller decide, and gives its address.
func (m *machine) logOn(ctx context.Context, d *Directory, l *netlogon.Logon) (v *netlogon.Validation, server string, err error) {
	all, err := m.controllersOf(ctx, d)
	if err != nil {
		return nil, "", err
	}
	failure := m.each(ctx, d, all, l.Spent, func(ctx context.Context, c *controller) *identity.Error {
		var err error
		if v, err = c.client.LogOn(ctx, l); err != nil {
			return explainNetlogon(c.addr, m.account, err)
		}
		server = c.addr
		return nil
	})
	if failure != nil {
		return nil, "", failure
	}
	return v, server, nil
}
