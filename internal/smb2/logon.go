package smb2

import (
	"context"
	"net"
)

// Greet negotiates on a connection of which nothing was used yet, and asks nothing
// more. Without an error the server speaks a dialect of those offered; none means
// all. The connection stays the caller's.
func Greet(ctx context.Context, nc net.Conn, offer ...Dialect) error {
	c := newConn(nc, offer)
	return c.within(ctx, c.negotiate)
}

// LogOnOptions say who logs on.
type LogOnOptions struct {
	Server   string // name or address of the server, as in \\server\IPC$
	Account  Account
	Dialects []Dialect // to offer; none means all
	// Challenge looks at the server's CHALLENGE_MESSAGE. With an error nothing
	// made of the password is sent, and LogOn returns it. May be nil.
	Challenge func(challenge []byte) error
}

// LogOn logs an account on over a connection of which nothing was used yet: a nil
// error is the server's yes, a *StatusError its no, and any other error means that
// it said neither. The yes is signed under a key that is made of the account's
// password: whoever sent it knows the password that was tried. That is a
// controller, or somebody on the way who tries that password himself. The
// connection stays the caller's, and serves nothing else. ctx bounds it.
func LogOn(ctx context.Context, nc net.Conn, o LogOnOptions) error {
	c := newConn(nc, o.Dialects)
	c.heed = o.Challenge
	return c.within(ctx, func() error {
		if err := c.negotiate(); err != nil {
			return err
		}
		_, err := c.logOn(o.Server, o.Account)
		return err
	})
}
