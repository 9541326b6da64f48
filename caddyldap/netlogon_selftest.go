package caddyldap

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// testPause is for how long a test of a controller stands for all who would test
// it with the same password: many directories may share a machine account, and a
// reload has all of them ask. It is shorter than mending something takes.
const testPause = 5 * time.Second

// channelTest is what a test of one controller has shown: level is that of its
// answers, 0 where it has judged nothing.
type channelTest struct {
	at     time.Time
	secret uint64 // hash of the password that it was done with
	level  int
	err    *identity.Error
}

// testSeed makes those hashes of no use elsewhere.
var testSeed = maphash.MakeSeed()

// netlogon is the directory's verifier by a machine account, or nil.
func (d *Directory) netlogon() *Netlogon {
	for _, v := range d.verifiers {
		if n, ok := v.(*Netlogon); ok {
			return n
		}
	}
	return nil
}

// testMachine has each controller open a channel and judge a log-in, and counts
// those that will not do so.
func (d *Directory) testMachine(ctx context.Context) (faults int) {
	n := d.netlogon()
	if n == nil {
		return 0
	}
	for _, sv := range d.servers.all() {
		level, err := n.test(ctx, sv)
		switch {
		case err == nil:
			d.logger.Info("netlogon: secure channel works", zap.String("server", sv.mapper()), zap.String("account", n.Account),
				zap.String("seal", channelSeal), zap.Int("validation_level", level))
		case errors.Is(err, netlogon.ErrClosed):
			return faults // its configuration has gone
		default:
			faults++
			d.report(ctx, "self-test: netlogon will not work at a controller", nil, err)
		}
	}
	return faults
}

// channelSeal is what every channel is sealed with, [MS-NRPC] 3.3.4.2.1: there is
// none with less.
const channelSeal = "AES-128, HMAC-SHA256"

// test logs the machine account itself in at one server, as client and as server
// of the exchange: the channel that this opens is there for the first user, and
// that a controller judges log-ins shows in the judgement alone. Each of its
// answers counts, but one that forbids NTLM altogether: the account need not be one
// that may log in.
func (n *Netlogon) test(ctx context.Context, sv *server) (level int, err error) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	d, m := n.directory, n.machine
	c, err := m.controller(ctx, d, sv)
	if err != nil {
		return 0, err
	}
	if err := take(ctx, c.tests); err != nil {
		return 0, explainNetlogon(c.addr, n.Account, err)
	}
	defer func() { <-c.tests }()
	secret, err := m.secret()
	if err != nil {
		return 0, explainNetlogon(c.addr, n.Account, &netlogon.ChannelError{Server: c.addr, Err: fmt.Errorf("%w: %w", netlogon.ErrSecret, err)})
	}
	mark := maphash.Bytes(testSeed, secret)
	if known := c.tested; known.secret == mark && d.now().Before(known.at.Add(testPause)) {
		return known.level, asError(known.err)
	}
	level, failure := n.logOnItself(ctx, c, string(secret))
	if !errors.Is(ctx.Err(), context.Canceled) {
		c.tested = channelTest{d.now(), mark, level, failure}
	}
	return level, asError(failure)
}

// asError keeps a nil one nil.
func asError(e *identity.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// take waits for a place.
func take(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *Netlogon) logOnItself(ctx context.Context, c *controller, secret string) (level int, failure *identity.Error) {
	d, m := n.directory, n.machine
	x, message, err := n.dialogue(n.itself(secret))
	if err != nil {
		return 0, identity.Fail(identity.KindOf(err), err)
	}
	v, err := c.client.LogOn(ctx, x.logon(message))
	if err == nil {
		m.back(c, d)
		n.learn(v)
		return v.Level, nil
	}
	failure = explainNetlogon(c.addr, n.Account, err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // which is nobody's fault
	case cannotServe(failure):
		m.failed(c, d, failure)
	case !decided(failure):
		m.suspect(c, d)
	default:
		m.back(c, d)
	}
	if _, refused := errors.AsType[*netlogon.StatusError](err); refused && !cannotServe(failure) && failure.Kind.AboutAccount() {
		return 0, n.wrongSecret(failure)
	}
	return 0, failure
}

// wrongSecret is what a controller's no to the machine account itself means: nil where
// that may not log in, and a fault where its secret is not its password. The channel
// then is one that was opened by another secret, before a reload or before a file
// changed, and the next cannot be opened.
func (n *Netlogon) wrongSecret(e *identity.Error) *identity.Error {
	if e.Kind != identity.KindBadCredentials {
		return nil
	}
	kind, hint := readMachineStatus(ntstatus.AccessDenied, n.Account)
	return &identity.Error{Kind: kind, Server: e.Server, Err: fmt.Errorf("log-ins go on over the channel that is open, and no longer: %w", e.Err), Hint: hint}
}
