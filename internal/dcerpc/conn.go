package dcerpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// A Stream carries the PDUs in order: a TCP connection, or a named pipe. A read or
// write that is under way ends when the deadline passes, and when the stream is
// closed or gets a deadline that has passed.
type Stream interface {
	io.ReadWriteCloser
	SetDeadline(t time.Time) error
}

// callTime bounds a call whose context has no deadline.
const callTime = 10 * time.Second

// A Conn is a connection with one association. Calls go one after another; it is
// safe for concurrent use. A call that does not end with the server's answer to it
// closes the connection, because nobody can tell what comes next on it.
type Conn struct {
	stream Stream
	reader *bufio.Reader // of the stream: header and body of an answer come at once
	turn   chan struct{} // holds one while a call is under way; guards what follows

	broken   error // what closed the connection
	lastCall uint32
	contexts uint16
	bound    bool // the first bind was answered with a yes
	maxSend  int
	security Security

	signsHeaders bool // the server signs headers as we do
}

// New takes a stream, which belongs to the connection from then on.
func New(stream Stream) *Conn {
	return &Conn{stream: stream, reader: bufio.NewReader(stream), turn: make(chan struct{}, 1), maxSend: mustReceive}
}

// Close ends the connection. A call under way fails.
func (c *Conn) Close() error { return c.stream.Close() }

func (c *Conn) nextCall() uint32 {
	c.lastCall++
	return c.lastCall
}

// exchange has do talk to the server when it is its turn, within ctx.
func (c *Conn) exchange(ctx context.Context, do func() error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the RPC connection: %w", context.Cause(ctx))
	}
	defer func() { <-c.turn }()
	if c.broken != nil {
		return fmt.Errorf("%w: %w", ErrBroken, c.broken)
	}
	err := c.within(ctx, do)
	if err != nil && !(c.bound && answered(err)) {
		c.broken = err
		_ = c.stream.Close()
	}
	return err
}

// answered reports whether an error is the server's whole answer, after which the
// next call can follow.
func answered(err error) bool {
	var fault *Fault
	var rejection *Rejection
	return errors.As(err, &fault) || errors.As(err, &rejection)
}

// within bounds what do does with the stream by ctx, and leaves nothing behind
// that could touch a later call.
func (c *Conn) within(ctx context.Context, do func() error) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(callTime)
	}
	if err := c.stream.SetDeadline(deadline); err != nil {
		return fmt.Errorf("the RPC connection: %w", err)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = c.stream.SetDeadline(time.Unix(1, 0))
	})
	err := do()
	if !stop() {
		<-ended
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w (%w)", context.DeadlineExceeded, err)
	}
	return err
}

func (c *Conn) write(raw []byte) error {
	if _, err := c.stream.Write(raw); err != nil {
		return fmt.Errorf("sending to the server: %w", err)
	}
	return nil
}
