package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// TestSwapIsSentOnce: where the connection breaks before the answer nobody knows whether
// a change has happened, and it is not made a second time; what only reads is asked again.
func TestSwapIsSentOnce(t *testing.T) {
	var reads, swaps, connections atomic.Int32
	s := newFake(t, Config{}, nil)
	s.dial = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		ours, theirs := net.Pipe()
		connections.Add(1)
		go serve(theirs, func(command []string) string {
			switch command[0] {
			case "HELLO":
				return hello
			case "GET":
				if reads.Add(1) == 1 {
					theirs.Close()
				}
				return "_\r\n"
			}
			swaps.Add(1)
			theirs.Close()
			return ""
		}, false)
		return ours, nil
	}
	err := s.Update(t.Context(), session, func([]byte) ([]byte, time.Duration, error) { return []byte("1"), time.Minute, nil })
	if !errors.Is(err, store.ErrDown) {
		t.Errorf("got %v, want %v", err, store.ErrDown)
	}
	if reads.Load() != 2 || swaps.Load() != 1 {
		t.Errorf("got %d reads and %d swaps, want 2 and 1", reads.Load(), swaps.Load())
	}
	if _, err := s.Get(t.Context(), session); err != nil || connections.Load() != 3 {
		t.Errorf("the next one got %v, on connection %d", err, connections.Load())
	}
}

// TestScriptIsForgotten: a server that was restarted knows no scripts, and is told the
// whole one.
func TestScriptIsForgotten(t *testing.T) {
	var seen []string
	s := newFake(t, Config{}, func(command []string) string {
		seen = append(seen, command[0])
		switch command[0] {
		case "HELLO":
			return hello
		case "GET":
			return "_\r\n"
		case "EVALSHA":
			return "-NOSCRIPT No matching script. Please use EVAL.\r\n"
		}
		return ":1\r\n"
	})
	first, err := store.Once(t.Context(), s, session, time.Minute)
	if err != nil || !first || seen[len(seen)-1] != "EVAL" {
		t.Errorf("got %v, %v after %v", first, err, seen)
	}
}
