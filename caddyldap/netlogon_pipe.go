package caddyldap

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/smb2"
)

// pipeTime is for how long nobody tries an endpoint mapper again that could not be
// reached where the named pipe could: a firewall that drops packets costs
// dial's timeout each time.
const pipeTime = time.Minute

// dialer connects, as a net.Dialer's DialContext does.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// connector is how the machine comes to a controller's Netlogon: by the endpoint
// mapper, and over \PIPE\netlogon where that cannot be reached, [MS-NRPC] 2.1. The
// secure channel is the same over both, and all that counts is proven in it.
func (m *machine) connector(d *Directory, host, domain string, dial dialer) connector {
	tcp := netlogon.TCP(host, dial)
	var closed atomic.Int64 // the mapper, until then; unix nanoseconds
	return func(ctx context.Context) (dcerpc.Stream, error) {
		var unreachable error
		if d.now().UnixNano() >= closed.Load() {
			stream, err := tcp(ctx)
			if err == nil || !errors.Is(err, netlogon.ErrNoMapper) || ctx.Err() != nil {
				return stream, err
			}
			unreachable = err
		}
		stream, err := m.pipe(ctx, dial, host, domain)
		if err != nil {
			closed.Store(0)
			return nil, errors.Join(unreachable, err)
		}
		if unreachable != nil {
			closed.Store(d.now().Add(pipeTime).UnixNano())
		}
		return stream, nil
	}
}

// pipe opens \PIPE\netlogon as the machine account, in a session that is signed.
func (m *machine) pipe(ctx context.Context, dial dialer, host, domain string) (dcerpc.Stream, error) {
	secret, err := m.secret()
	if err != nil {
		return nil, errors.Join(netlogon.ErrSecret, err)
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(host, portSMB))
	if err != nil {
		return nil, err
	}
	p, err := smb2.OpenPipe(ctx, conn, smb2.PipeOptions{
		Server: host, Name: "netlogon", Account: smb2.Account{User: m.account, Domain: domain, Password: string(secret)},
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
