package smb2

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// farewell is how long Close waits for a server to take leave.
const farewell = time.Second

// Pipe is an open named pipe, for RPC over SMB, [MS-RPCE] 2.1.1.2. It is in message
// mode: what one Write sends is one message, and Read returns the server's in as
// many pieces as the reader likes, never two in one piece.
//
// One goroutine at a time may Read and Write; SetDeadline and Close are for any. After an error of the connection, a deadline that passed among
// them, all calls return it: the answer may still come, and would be taken for
// another's.
type Pipe struct {
	c    *conn
	tree uint32
	file fileID
	left []byte // read, and not yet asked for

	mu     sync.Mutex // held during an exchange
	closed sync.Once
}

// Dialect is what was agreed on.
func (p *Pipe) Dialect() Dialect { return p.c.said.dialect }

// Encrypted reports whether the server had the session encrypted.
func (p *Pipe) Encrypted() bool { return p.c.sealer != nil }

// SetDeadline bounds all that is done with the pipe, as net.Conn's does. The zero
// time is no bound.
func (p *Pipe) SetDeadline(t time.Time) error { return p.c.net.SetDeadline(t) }

// Read returns the next bytes that the server wrote, and waits for them.
func (p *Pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	if len(p.left) == 0 {
		if err := p.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// fill asks for as much as may come at once. A message that is longer comes with
// STATUS_BUFFER_OVERFLOW, and the rest of it next time.
func (p *Pipe) fill() error {
	size := min(maxChunk, p.c.said.maxRead)
	a, err := p.c.exchange(Read, p.tree, readRequest(p.file, size), ntstatus.BufferOverflow)
	if errors.Is(err, ntstatus.EndOfFile) {
		return io.EOF
	}
	if err != nil {
		return err
	}
	data, err := parseRead(a.msg, size)
	if err != nil {
		return p.c.fail(Read, err)
	}
	if len(data) == 0 {
		return fmt.Errorf("SMB2 READ: an empty message: %w", io.ErrNoProgress)
	}
	p.left = data
	return nil
}

// Write sends one message; one longer than the server takes at once goes in
// parts.
func (p *Pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := int(min(maxChunk, p.c.said.maxWrite))
	for sent := 0; sent < len(b); {
		part := b[sent:min(sent+size, len(b))]
		a, err := p.c.exchange(Write, p.tree, writeRequest(p.file, part))
		if err != nil {
			return sent, err
		}
		n, err := parseWrite(a.msg, len(part))
		if err == nil && n != len(part) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return sent + n, p.c.fail(Write, err)
		}
		sent += n
	}
	return len(b), nil
}

// Close closes pipe, session and connection. A call that is under way fails. The
// server is told so within a second, unless something is under way or failed
// before: it finds out from the connection then.
func (p *Pipe) Close() error {
	err := net.ErrClosed
	p.closed.Do(func() {
		if p.mu.TryLock() {
			defer p.mu.Unlock()
			p.leave()
		}
		err = p.c.net.Close()
	})
	return err
}

func (p *Pipe) leave() {
	if p.c.err == nil && p.c.net.SetDeadline(time.Now().Add(farewell)) == nil {
		_, _ = p.c.exchange(Close, p.tree, closeRequest(p.file))
		_, _ = p.c.exchange(TreeDisconnect, p.tree, emptyRequest())
		_, _ = p.c.exchange(Logoff, 0, emptyRequest())
	}
	p.c.err, p.left = net.ErrClosed, nil
}
