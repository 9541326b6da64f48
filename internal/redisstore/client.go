package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/redis/rueidis"
)

// Bounds of the connections: how many there are at most, how many stay open while nobody
// asks, for how long the others do, and how much each holds in memory.
const (
	maxConnections  = 64
	idleConnections = 2
	idleTime        = time.Minute
	buffer          = 16 << 10
)

// client is a pool of connections. It is given up as a whole when one of them fails,
// because the others lead to the same server, which is gone or another one by now.
type client struct {
	rueidis.Client
	born time.Time
}

var errNotYet = errors.New("not asked for yet")

// newClient makes a pool that is empty. The library connects at once: that is refused,
// since nothing touches the network while a configuration loads.
func (s *Store) newClient() (*client, error) {
	c, opened := &client{born: time.Now()}, false
	var err error
	c.Client, err = rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.config.Address},
		SelectDB:    s.config.Database,
		TLSConfig:   s.config.TLS,
		Dialer:      net.Dialer{Timeout: limit, KeepAlive: 5 * time.Second},
		DialCtxFn: func(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
			if !opened {
				return nil, errNotYet
			}
			return s.dial(ctx, address, d, config)
		},
		AuthCredentialsFn: s.credentials,
		ClientSetInfo:     []string{}, // a server before 7.2 would refuse it
		ForceSingleClient: true,
		// One question a connection and nothing in the background: a deadline holds, an
		// answer cannot be another question's, and nothing is left after Close.
		DisableAutoPipelining: true,
		BlockingPoolSize:      maxConnections,
		BlockingPoolMinSize:   idleConnections,
		BlockingPoolCleanup:   idleTime,
		ConnWriteTimeout:      limit,
		ReadBufferEachConn:    buffer,
		WriteBufferEachConn:   buffer,
		// What may be asked again is known here, and a copy of a session in the process
		// would open doors after another node has ended it.
		DisableRetry: true,
		DisableCache: true,
	})
	opened = true
	if c.Client == nil {
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
	if config != nil {
		return (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, "tcp", address)
	}
	return d.DialContext(ctx, "tcp", address)
}

// credentials reads them for a connection.
func (s *Store) credentials(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
	if s.config.Credentials == nil {
		return rueidis.AuthCredentials{}, nil
	}
	user, password, err := s.config.Credentials()
	if err != nil {
		return rueidis.AuthCredentials{}, &credentialsError{err}
	}
	s.password.Store(&password)
	return rueidis.AuthCredentials{Username: user, Password: password}, nil
}

// close ends the pool: idle connections now, the others when they are given back.
func (c *client) close() { c.Client.Close() }

// bounded is a context with the end of an operation, beside the caller's own.
type bounded struct {
	context.Context
	caller context.Context
	end    time.Time // ours
	turn   time.Time // since when no others who change the same value are to blame
}

func (s *Store) bound(ctx context.Context) (bounded, context.CancelFunc) {
	now := time.Now()
	end := now.Add(limit)
	inner, cancel := context.WithDeadline(ctx, end)
	return bounded{inner, ctx, end, now}, cancel
}

// callersEnd is the error of the caller's own context where that is what ended an
// operation: a connection notices its deadline a moment before the context does.
func (b bounded) callersEnd(err error) error {
	if ended := b.caller.Err(); ended != nil {
		return ended
	}
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	if deadline, ok := b.caller.Deadline(); ok && late && deadline.Before(b.end) {
		return context.DeadlineExceeded
	}
	return nil
}

// repeat says whether a command may be sent again where nobody knows whether the first
// one has arrived.
type repeat bool

const (
	mayRepeat     repeat = true
	mustNotRepeat repeat = false
)

// ask sends a command and gives the answer, or a fault. An idle connection may have died
// unnoticed, so what may be repeated is asked once more on a new one.
func (s *Store) ask(ctx bounded, again repeat, send func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisMessage, error) {
	if err := ctx.caller.Err(); err != nil {
		return rueidis.RedisMessage{}, err
	}
	if err := s.rest.enter(time.Now()); err != nil {
		return rueidis.RedisMessage{}, err
	}
	defer s.rest.left()
	for try := 0; ; try++ {
		c, err := s.client()
		if err != nil {
			return rueidis.RedisMessage{}, s.fault(err)
		}
		result := recovered(ctx, c, send)
		if err = result.NonRedisError(); err == nil {
			s.rest.answered()
			return s.answer(c, result)
		}
		if ended := ctx.callersEnd(err); ended != nil {
			return rueidis.RedisMessage{}, ended
		}
		s.giveUp(c)
		unsent := errors.Is(err, rueidis.ErrClosing) // by another one's failure, before it was sent
		late := ctx.Err() != nil || isTimeout(err)
		if try == 0 && !late && (unsent || bool(again)) {
			continue
		}
		fault := s.fault(err)
		if late && ctx.end.Sub(ctx.turn) < limit/2 {
			fault.busy = true // others have used the time up: the server had none
			return rueidis.RedisMessage{}, fault
		}
		if late || bool(again) {
			s.rest.failed(time.Now(), fault)
		}
		return rueidis.RedisMessage{}, fault
	}
}

// recovered sends a command. The library believes the lengths that a server announces,
// and panics at one that cannot be.
func recovered(ctx context.Context, c *client, send func(context.Context, rueidis.Client) rueidis.RedisResult) (result rueidis.RedisResult) {
	defer func() {
		if recover() != nil {
			result = rueidis.NewErrorResult(errAnswer)
		}
	}()
	return send(ctx, c.Client)
}

// answer is what the server said, where that is no error.
func (s *Store) answer(c *client, result rueidis.RedisResult) (rueidis.RedisMessage, error) {
	m, err := result.ToMessage()
	if err == nil || rueidis.IsRedisNil(err) {
		return m, nil
	}
	if elsewhere(err) && time.Since(c.born) > away {
		s.giveUp(c)
	}
	return m, s.fault(err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

var errClosed = errors.New("the store is closed")

func (s *Store) client() (*client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	return s.current, nil
}

// giveUp puts a new pool in the place of one that failed, once.
func (s *Store) giveUp(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.current != c {
		return
	}
	if fresh, err := s.newClient(); err == nil {
		s.current = fresh
		c.close()
	}
}
