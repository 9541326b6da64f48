package smb2

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// change gives a twist that changes the answers to one command.
func change(command Command, with func(msg []byte) []byte) func(*header, []byte) [][]byte {
	return func(asked *header, msg []byte) [][]byte {
		if asked.command == command {
			msg = with(msg)
		}
		return [][]byte{msg}
	}
}

// patch overwrites bytes at a place of the message.
func patch(at int, b ...byte) func([]byte) []byte {
	return func(msg []byte) []byte {
		copy(msg[at:], b)
		return msg
	}
}

func cutTo(n int) func([]byte) []byte { return func(msg []byte) []byte { return msg[:n] } }

// interim is an answer that says that another will follow.
func interim(asked *header) []byte {
	h := header{command: asked.command, status: ntstatus.Pending, credits: 1, flags: flagResponse | flagAsync, messageID: asked.messageID, asyncID: 5, sessionID: asked.sessionID}
	return append(h.marshal(), errorBody...)
}

// TestHostileServer: each thing a server may do in the place of an answer is
// refused, with an error that says what is wrong, and in time. The account's
// session is null, so that no signature comes before.
func TestHostileServer(t *testing.T) {
	for _, c := range []struct {
		name  string
		twist func(asked *header, msg []byte) [][]byte
		want  error
	}{
		{"nothing", func(*header, []byte) [][]byte { return nil }, os.ErrDeadlineExceeded},
		{"empty", change(Negotiate, cutTo(0)), ErrMalformed},
		{"half a header", change(Negotiate, cutTo(63)), ErrMalformed},
		{"a header alone", change(Negotiate, cutTo(64)), ErrMalformed},
		{"SMB 1", change(Negotiate, patch(0, 0xFF)), ErrSMB1},
		{"encrypted, unasked", change(Negotiate, patch(0, 0xFD)), ErrMalformed},
		{"compressed, unasked", change(Negotiate, patch(0, 0xFC)), ErrMalformed},
		{"no SMB", change(Negotiate, func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }), ErrMalformed},
		{"another header", change(Negotiate, patch(4, 65)), ErrMalformed},
		{"a request", change(Negotiate, patch(flagsAt, 0)), ErrMalformed},
		{"another message's answer", change(TreeConnect, patch(messageIDAt, 99)), ErrMalformed},
		{"another session's answer", change(TreeConnect, patch(40, 99)), ErrMalformed},
		{"another session's log-on", func(asked *header, msg []byte) [][]byte {
			if asked.command == SessionSetup && asked.sessionID != 0 {
				msg[40]++
			}
			return [][]byte{msg}
		}, ErrMalformed},
		{"no session", change(SessionSetup, patch(40, make([]byte, 8)...)), ErrMalformed},
		{"another command's answer", change(TreeConnect, patch(12, byte(Create))), ErrMalformed},
		{"a chain of answers", change(TreeConnect, patch(20, 8)), ErrMalformed},
		{"an oplock break", change(Create, patch(messageIDAt, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"an error without a body", change(TreeConnect, func(msg []byte) []byte { return patch(8, 0x22, 0, 0, 0xC0)(msg[:64]) }), ntstatus.AccessDenied},
		{"another structure", change(TreeConnect, patch(headerLen, 17)), ErrMalformed},
		{"a dialect that was not offered", change(Negotiate, patch(headerLen+4, 0xFF, 0x02)), ErrDialect},
		{"sizes of zero", change(Negotiate, patch(headerLen+28, make([]byte, 12)...)), ErrMalformed},
		{"a token far away", change(Negotiate, patch(headerLen+56, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"a token in the header", change(SessionSetup, patch(headerLen+4, 0, 0)), ErrMalformed},
		{"contexts far away", change(Negotiate, patch(headerLen+60, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"contexts in the header", change(Negotiate, patch(headerLen+60, 0, 0, 0, 0)), ErrMalformed},
		{"65,535 contexts", change(Negotiate, patch(headerLen+6, 0xFF, 0xFF)), ErrMalformed},
		{"no contexts", change(Negotiate, patch(headerLen+6, 0, 0)), ErrMalformed},
		{"a disk", change(TreeConnect, patch(headerLen+2, 1)), ErrMalformed},
		{"a short CREATE", change(Create, cutTo(64+87)), ErrMalformed},
		{"more data than was asked for", change(Read, patch(headerLen+4, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"data past the message", change(Read, patch(headerLen+4, 0xFF)), ErrMalformed},
		{"data in the header", change(Read, patch(headerLen+2, 8)), ErrMalformed},
		{"no data", change(Read, patch(headerLen+4, 0)), io.ErrNoProgress},
		{"the end", change(Read, patch(8, 0x11, 0, 0, 0xC0)), io.EOF},
		{"more written than was sent", change(Write, patch(headerLen+4, 0xFF)), ErrMalformed},
		{"less written than was sent", change(Write, patch(headerLen+4, 1)), io.ErrShortWrite},
		{"pending without end", func(asked *header, msg []byte) [][]byte {
			if asked.command != Read {
				return [][]byte{msg}
			}
			return [][]byte{interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked)}
		}, ErrMalformed},
		{"pending for ever", func(asked *header, msg []byte) [][]byte {
			if asked.command != Read {
				return [][]byte{msg}
			}
			return [][]byte{interim(asked)}
		}, os.ErrDeadlineExceeded},
		{"pending, and not async", change(Read, patch(8, 3, 1, 0, 0)), ntstatus.Pending},
		{"no credits", change(Negotiate, patch(14, 0, 0)), ErrCredits},
		{"a yes before the proof", func(asked *header, msg []byte) [][]byte {
			if asked.command == SessionSetup {
				copy(msg[8:], []byte{0, 0, 0, 0})
			}
			return [][]byte{msg}
		}, nil},
		{"more and more legs", change(SessionSetup, patch(8, 0x16, 0, 0, 0xC0)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{dialect: SMB311, signing: signAESCMAC, twist: c.twist}
			start := time.Now()
			err := use(t, s.start(t))
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if took := time.Since(start); took > 10*deadline {
				t.Errorf("it took %v", took)
			}
			t.Log(err)
		})
	}
}

// use opens a null session's pipe, writes and reads, all within the deadline.
func use(t *testing.T, nc net.Conn) error {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	p, err := openUnsigned(ctx, nc)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.SetDeadline(time.Now().Add(deadline)); err != nil {
		return err
	}
	if _, err := p.Write([]byte("hello")); err != nil {
		return err
	}
	got := make([]byte, 5)
	if _, err = p.Read(got); err == nil && string(got) != "hello" {
		t.Errorf("got %q", got)
	}
	return err
}
