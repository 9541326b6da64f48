package netlogon

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// A Channel is one secure channel: log-ins go over it one at a time. It is not safe
// for concurrent use.
type Channel struct {
	config *Config
	conn   *dcerpc.Conn
	calls  *dcerpc.Binding
	key    ntlm.Key
	level  uint16 // of the answers that the controller gives
}

// Open proves the machine account to the controller and opens a channel. No two
// may be opened at one moment for one account at one controller: a controller
// remembers one challenge of each. The error matches ErrConfig or is a
// *ChannelError.
func Open(ctx context.Context, config Config) (*Channel, error) {
	c, err := config.checked()
	if err != nil {
		return nil, err
	}
	hash, err := c.hash()
	if err != nil {
		return nil, &ChannelError{Server: c.Server, Err: err}
	}
	return open(ctx, c, hash)
}

func open(ctx context.Context, c *Config, hash ntlm.Key) (*Channel, error) {
	s, err := negotiate(ctx, c, hash)
	if err != nil {
		return nil, &ChannelError{Server: c.Server, Err: err}
	}
	sealed := &provider{sealer: newSealer(s.key, c.Rand), domain: c.Domain, computer: c.Computer}
	conn, calls, err := bind(ctx, c, sealed)
	if err != nil {
		return nil, &ChannelError{Server: c.Server, Err: fmt.Errorf("sealing the connection: %w", err)}
	}
	if err := s.confirm(ctx, calls, c); err != nil {
		_ = conn.Close()
		return nil, &ChannelError{Server: c.Server, Err: err}
	}
	return &Channel{config: c, conn: conn, calls: calls, key: s.key, level: levelSAMInfo4}, nil
}

// negotiate agrees on a session key, on a connection of its own.
func negotiate(ctx context.Context, c *Config, hash ntlm.Key) (session, error) {
	conn, calls, err := bind(ctx, c, nil)
	if err != nil {
		return session{}, err
	}
	defer conn.Close()
	return handshake(ctx, calls, c, hash)
}

func bind(ctx context.Context, c *Config, security dcerpc.Security) (*dcerpc.Conn, *dcerpc.Binding, error) {
	stream, err := c.Connect(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	conn := dcerpc.New(stream)
	calls, err := conn.Bind(ctx, Interface, security)
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, calls, nil
}

// LogOn has the controller decide a log-in, by NetrLogonSamLogonEx. A *StatusError
// is its no. ErrGuest, ErrNobody, ErrLMKey and ErrNoSessionKey are a yes that lets
// nobody in, ErrNotV2 is a log-in that was not sent. Any other error, and
// ntstatus.AccessDenied, means that the channel is of no more use.
//
// Who calls must still check the message integrity code of the Type 3 by
// UserSessionKey: the controller does not.
func (ch *Channel) LogOn(ctx context.Context, l *Logon) (*Validation, error) {
	for {
		v, err := ch.ask(ctx, l)
		older, ok := olderForm(err, ch.level)
		if !ok {
			return v, err
		}
		ch.level = older
	}
}

// olderForm says which form to ask for instead of one that the controller, in a
// sealed answer, does not have. A fault does not count: anybody on the way can
// make one, and at level 2 groups would be missing.
func olderForm(err error, level uint16) (uint16, bool) {
	var status *StatusError
	if !errors.As(err, &status) || status.Status != ntstatus.InvalidInfoClass {
		return 0, false
	}
	switch level {
	case levelSAMInfo4:
		return levelSAMInfo2, true
	case levelSAMInfo2:
		return levelSAMInfo, true
	}
	return 0, false
}

func (ch *Channel) ask(ctx context.Context, l *Logon) (*Validation, error) {
	w, err := encodeLogon(ch.config, l, ch.level)
	if err != nil {
		return nil, err
	}
	l.unanswered++
	r, err := samLogonEx.invoke(ctx, ch.calls, w)
	if err != nil {
		return nil, err
	}
	l.unanswered--
	v, err := decodeLogon(r, ch.level)
	if err != nil {
		return nil, err
	}
	if ch.level < levelSAMInfo4 && v.UserSessionKey != (ntlm.Key{}) {
		// The older forms encrypt the key once more, [MS-NRPC] 3.5.4.5.1, except one
		// of zeros, by which the channel's own could be learnt.
		newStream(ch.key, nil).decrypt(v.UserSessionKey[:])
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	return v, nil
}

// Close ends the channel.
func (ch *Channel) Close() error { return ch.conn.Close() }

// Format hides the keys.
func (ch *Channel) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "netlogon.Channel to "+ch.config.Server)
}
