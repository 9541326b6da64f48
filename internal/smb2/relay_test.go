package smb2

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relay does the two legs of a log-on.
func relay(ctx context.Context, r *Relay) ([]byte, error) {
	reply, more, err := r.Start(ctx, []byte("one\x00\xff"))
	if err != nil {
		return reply, err
	}
	if !more || string(reply) != "reply to one\x00\xff" {
		return nil, errors.New("first leg: the reply is not the server's")
	}
	reply, more, err = r.Next(ctx, []byte("two\x00"))
	if more {
		return nil, errors.New("second leg: more")
	}
	return reply, err
}

func TestRelay(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			r := NewRelay((&server{dialect: d, signing: signAESCMAC, opaque: true}).start(t))
			if _, _, err := r.Next(t.Context(), []byte("two")); !errors.Is(err, ErrEnded) {
				t.Errorf("Next before Start: got %v, want %v", err, ErrEnded)
			}
			reply, err := relay(t.Context(), r)
			if err != nil || string(reply) != "reply to two\x00" || r.Dialect() != d {
				t.Errorf("got %q, dialect %v, %v", reply, r.Dialect(), err)
			}
			if _, _, err := r.Next(t.Context(), []byte("three")); !errors.Is(err, ErrEnded) {
				t.Errorf("Next after the end: got %v, want %v", err, ErrEnded)
			}
			if _, _, err := r.Start(t.Context(), []byte("one")); !errors.Is(err, ErrEnded) {
				t.Errorf("Start after the end: got %v, want %v", err, ErrEnded)
			}
		})
	}
}

// TestRelayRefusals: a yes that is none, in each dialect.
func TestRelayRefusals(t *testing.T) {
	blank := func(asked *header, msg []byte) [][]byte {
		clear(msg[signatureAt:headerLen])
		return [][]byte{msg}
	}
	status := func(s ntstatus.Status) func(*header, []byte) [][]byte {
		return func(asked *header, msg []byte) [][]byte {
			if asked.command == SessionSetup && asked.sessionID != 0 {
				h := header{command: SessionSetup, status: s, credits: 1, flags: flagResponse, messageID: asked.messageID, sessionID: asked.sessionID}
				msg = append(h.marshal(), errorBody...)
			}
			return [][]byte{msg}
		}
	}
	for _, c := range []struct {
		name string
		s    server
		want error
	}{
		{"guest", server{sessionFlags: sessionGuest}, ErrGuest},
		{"null", server{sessionFlags: sessionNull}, ErrNull},
		{"guest and null", server{sessionFlags: sessionGuest | sessionNull}, ErrGuest},
		{"unsigned", server{unsigned: true}, ErrUnsigned},
		{"guest, unsigned", server{sessionFlags: sessionGuest, unsigned: true}, ErrGuest},
		{"a signature of zeros", server{twist: blank}, ErrUnsigned},
		{"wrong password", server{twist: status(ntstatus.LogonFailure)}, ntstatus.LogonFailure},
		{"NTLM is blocked", server{twist: status(ntstatus.NTLMBlocked)}, ntstatus.NTLMBlocked},
		{"a status that is a success elsewhere", server{twist: status(ntstatus.BufferOverflow)}, ntstatus.BufferOverflow},
		{"a status that nobody knows", server{twist: status(0x1)}, ntstatus.Status(1)},
	} {
		for _, d := range dialects {
			t.Run(c.name+" "+d.String(), func(t *testing.T) {
				s := c.s
				s.dialect, s.signing, s.opaque = d, signAESCMAC, true
				r := NewRelay(s.start(t))
				reply, err := relay(t.Context(), r)
				if !errors.Is(err, c.want) || reply != nil {
					t.Errorf("got %q, %v, want %v", reply, err, c.want)
				}
				if _, _, err := r.Next(t.Context(), []byte("again")); !errors.Is(err, ErrEnded) {
					t.Errorf("Next after a refusal: got %v, want %v", err, ErrEnded)
				}
			})
		}
	}
}

// TestRelayStartsOnce: in the middle of a log-on too.
func TestRelayStartsOnce(t *testing.T) {
	r := NewRelay((&server{dialect: SMB311, signing: signAESCMAC, opaque: true}).start(t))
	if _, more, err := r.Start(t.Context(), []byte("one")); err != nil || !more {
		t.Fatalf("got more %v, %v", more, err)
	}
	if _, _, err := r.Start(t.Context(), []byte("one")); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v, want %v", err, ErrEnded)
	}
}

func TestRelayTokens(t *testing.T) {
	for name, token := range map[string][]byte{"none": nil, "too long": make([]byte, 65536)} {
		r := NewRelay((&server{dialect: SMB311, signing: signAESCMAC, opaque: true}).start(t))
		if _, _, err := r.Start(t.Context(), token); !errors.Is(err, ErrToken) {
			t.Errorf("%s: got %v, want %v", name, err, ErrToken)
		}
	}
	r := NewRelay((&server{dialect: SMB311, signing: signAESCMAC, opaque: true}).start(t))
	if _, more, err := r.Start(t.Context(), make([]byte, 60000)); err != nil || !more {
		t.Errorf("60,000 bytes: got more %v, %v", more, err)
	}
}

// TestRelayIsBound: a context ends it, by its deadline or when it is cancelled.
func TestRelayIsBound(t *testing.T) {
	silent := func(*header, []byte) [][]byte { return nil }
	for _, c := range []struct {
		name string
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, os.ErrDeadlineExceeded},
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
		{"cancelled before", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := c.ctx(t.Context())
			defer cancel()
			start := time.Now()
			_, err := relay(ctx, NewRelay((&server{dialect: SMB311, opaque: true, twist: silent}).start(t)))
			if !errors.Is(err, c.want) || time.Since(start) > 5*time.Second {
				t.Errorf("got %v after %v, want %v", err, time.Since(start), c.want)
			}
		})
	}
}
