package netlogon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// A Client has log-ins decided over several channels to one controller. Channels
// are opened when they are needed, one after another, and stay open. It is safe
// for concurrent use, and runs nothing in the background.
type Client struct {
	config *Config

	calls   chan struct{} // one for each log-in that runs or waits
	permits chan struct{} // one for each log-in that has, or may open, a channel
	opening chan struct{} // held by the one that opens a channel

	mu      sync.Mutex
	idle    []*Channel // the one used last is at the end
	closed  bool
	running sync.WaitGroup // log-ins, none of which begins once closed is set

	failures int   // openings that failed
	failed   error // of the last opening; nil where it succeeded

	life context.Context // ends with Close
	end  context.CancelCauseFunc
}

// Limits of a Client where the configuration has none. A controller takes as many
// log-ins a second over two channels as over more, and Windows' own limit is of
// this size, MaxConcurrentApi.
const (
	defaultChannels = 2
	defaultCalls    = 256
)

// fairOpening is how much time a controller has had at least to open a channel where it
// is told that it opens none. A log-in that has waited for the others may have less left.
const fairOpening = time.Second

// NewClient connects to nobody yet. channels is how many may be open at once, and
// calls how many log-ins may run and wait; 0 is 2 and 256. The error matches
// ErrConfig.
func NewClient(config Config, channels, calls int) (*Client, error) {
	c, err := config.checked()
	if err != nil {
		return nil, err
	}
	if channels <= 0 {
		channels = defaultChannels
	}
	if calls <= 0 {
		calls = max(defaultCalls, channels)
	}
	life, end := context.WithCancelCause(context.Background())
	return &Client{
		config: c,
		calls:  make(chan struct{}, calls), permits: make(chan struct{}, channels), opening: make(chan struct{}, 1),
		life: life, end: end,
	}, nil
}

// LogOn has the controller decide a log-in, as Channel.LogOn does, over a channel
// that is open or that it opens. Where a channel turns out to be broken, and not
// because ctx has ended, the log-in is asked once more over a new one. A
// *ChannelError means that none could be opened though there was time; ErrBusy that too
// many wait; ErrSpent that it was sent in vain already.
func (c *Client) LogOn(ctx context.Context, l *Logon) (*Validation, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	if l.Spent() {
		return nil, ErrSpent
	}
	since, err := c.begin()
	if err != nil {
		return nil, err
	}
	defer c.running.Done()
	select {
	case c.calls <- struct{}{}:
		defer func() { <-c.calls }()
	default:
		return nil, fmt.Errorf("%w: %d to %s", ErrBusy, cap(c.calls), c.config.Server)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.life, func() { cancel(ErrClosed) })()
	if err := take(ctx, c.permits); err != nil {
		return nil, err
	}
	defer func() { <-c.permits }()

	ch, err := c.channel(ctx, since)
	if err != nil {
		return nil, err
	}
	v, err := ch.LogOn(ctx, l)
	if after(err) == rekey && ctx.Err() == nil && !l.Spent() {
		_ = ch.Close()
		if ch, err = c.open(ctx, since); err != nil {
			return nil, err
		}
		v, err = ch.LogOn(ctx, l)
	}
	c.giveBack(ch, err)
	return v, err
}

// Running is how many log-ins run or wait now.
func (c *Client) Running() int { return len(c.calls) }

// begin gives the number of openings that have failed up to now.
func (c *Client) begin() (failures int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, ErrClosed
	}
	c.running.Add(1)
	return c.failures, nil
}

// take waits for a place.
func take(ctx context.Context, places chan struct{}) error {
	if ctx.Err() == nil {
		select {
		case places <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("waiting for the secure channel: %w", context.Cause(ctx))
}

// channel is an idle one, else a new one.
func (c *Client) channel(ctx context.Context, since int) (*Channel, error) {
	c.mu.Lock()
	n := len(c.idle)
	if n > 0 {
		ch := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return ch, nil
	}
	c.mu.Unlock()
	return c.open(ctx, since)
}

// open opens a channel when nobody else does. An opening that failed since the
// log-in began is its answer too: a crowd before a controller that is down does
// not try one after another.
func (c *Client) open(ctx context.Context, since int) (*Channel, error) {
	if err := take(ctx, c.opening); err != nil {
		return nil, err
	}
	defer func() { <-c.opening }()
	if err := c.failedSince(since); err != nil {
		return nil, err
	}
	began := time.Now()
	ch, err := c.prove(ctx)
	if c.config.Opened != nil {
		c.config.Opened(ctx, err)
	}
	switch {
	case err == nil || ctx.Err() == nil:
	case time.Since(began) < fairOpening:
		return nil, fmt.Errorf("no time was left to open the secure channel: %w", context.Cause(ctx))
	default:
		return nil, err // which is not the answer to those who have more time
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed = err; err != nil {
		c.failures++
	}
	return ch, err
}

func (c *Client) failedSince(since int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures == since {
		return nil
	}
	return c.failed
}

// prove opens a channel with the password as it is now, read once more where the
// controller refuses it: it may have been changed between.
func (c *Client) prove(ctx context.Context) (*Channel, error) {
	hash, err := c.config.hash()
	if err != nil {
		return nil, &ChannelError{Server: c.config.Server, Err: err}
	}
	ch, err := open(ctx, c.config, hash)
	var status *StatusError
	if !errors.As(err, &status) || status.Status != ntstatus.AccessDenied {
		return ch, err
	}
	again, readErr := c.config.hash()
	if readErr != nil || again == hash {
		return nil, err
	}
	return open(ctx, c.config, again)
}

// giveBack keeps a channel for the next log-in, unless it broke or the client is
// closed.
func (c *Client) giveBack(ch *Channel, err error) {
	if after(err) == keep {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			c.idle = append(c.idle, ch)
			return
		}
	}
	_ = ch.Close()
}

// Close ends all channels and every log-in under way, and waits for those.
func (c *Client) Close() error {
	c.end(ErrClosed)
	c.mu.Lock()
	idle := c.idle
	c.closed, c.idle = true, nil
	c.mu.Unlock()
	var errs []error
	for _, ch := range idle {
		errs = append(errs, ch.Close())
	}
	c.running.Wait()
	return errors.Join(errs...)
}

// Format hides the keys.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "netlogon.Client of "+c.config.Server)
}
