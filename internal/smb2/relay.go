package smb2

import (
	"bytes"
	"context"
	"fmt"
	"net"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// Relay carries the tokens of somebody else's log-on to a server and back, by
// NEGOTIATE and SESSION_SETUP, [MS-SMB2] 3.2.4.2. SPNEGO or raw NTLM, each leg's
// bytes are the other side's own, unchanged.
//
// Its yes is the server's word and no more than that. Only the client and the
// server have the session's key, so nobody here can tell whether the signature
// below the yes is right: whoever is between this host and the server can say
// yes to any password. What can be seen is checked. The last answer must carry
// SMB2_FLAGS_SIGNED and a signature that is not zero, in each dialect: servers
// sign it, [MS-SMB2] 3.3.5.5.3, and a client of 3.1.1 refuses one that is not,
// [MS-SMB2] 3.2.5.3.1. It must not be a guest's or a null session, where servers do
// not sign. That a client sends the Type 3 of an anonymous log-on is better found
// before it is relayed.
//
// A Relay is one log-on on one connection, which serves nothing else: its owner
// closes it when the Relay has ended. A Relay is not safe for concurrent use.
type Relay struct {
	c       *conn
	started bool
	ended   bool
}

// NewRelay makes a Relay on a connection of which nothing was used yet. Nothing is
// sent. Dialects are those to offer; none means all.
func NewRelay(nc net.Conn, offer ...Dialect) *Relay { return &Relay{c: newConn(nc, offer)} }

// Dialect is what was agreed on; 0 before Start has returned.
func (r *Relay) Dialect() Dialect {
	if r.c.said == nil {
		return 0
	}
	return r.c.said.dialect
}

// Start negotiates and sends the client's first token. It returns the server's
// token, and whether it waits for another one; if not, the server has said yes.
// Any error is the end: a *StatusError is the server's no, and any other one
// means that it said neither. ctx bounds it; without a deadline a server that
// says nothing is waited for as long as the connection lives.
func (r *Relay) Start(ctx context.Context, token []byte) (reply []byte, more bool, err error) {
	if r.started || r.ended {
		return nil, false, ErrEnded
	}
	r.started = true
	return r.step(ctx, token, r.c.negotiate)
}

// Next sends another token of the client's. It returns as Start does.
func (r *Relay) Next(ctx context.Context, token []byte) (reply []byte, more bool, err error) {
	if !r.started || r.ended {
		return nil, false, ErrEnded
	}
	return r.step(ctx, token, func() error { return nil })
}

func (r *Relay) step(ctx context.Context, token []byte, before func() error) (reply []byte, more bool, err error) {
	r.ended = true // unless the server asks for more
	err = r.c.within(ctx, func() error {
		if err := before(); err != nil {
			return err
		}
		reply, more, err = r.leg(token)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	r.ended = !more
	return reply, more, nil
}

func (r *Relay) leg(token []byte) (reply []byte, more bool, err error) {
	a, s, err := r.c.setup(token)
	if err != nil {
		return nil, false, err
	}
	if a.status == ntstatus.MoreProcessingRequired {
		return bytes.Clone(s.token), true, nil
	}
	if err := s.somebody(); err != nil {
		return nil, false, r.c.fail(SessionSetup, err)
	}
	if a.flags&flagSigned == 0 || a.signature == [signatureLen]byte{} {
		return nil, false, r.c.fail(SessionSetup, fmt.Errorf("%w (the last of a log-on, by dialect %v)", ErrUnsigned, r.c.said.dialect))
	}
	return bytes.Clone(s.token), false, nil
}

// somebody refuses a session that is a guest's or nobody's.
func (s setupAnswer) somebody() error {
	switch {
	case s.flags&sessionGuest != 0:
		return ErrGuest
	case s.flags&sessionNull != 0:
		return ErrNull
	}
	return nil
}
