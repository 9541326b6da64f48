package smb2

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// TestLogOn: a yes counts where it is somebody's and signed under the key of the
// password that was tried, in each dialect. Encryption, which nothing needs that is
// over with the log-on, is no matter.
func TestLogOn(t *testing.T) {
	errNo := errors.New("a challenge that the caller does not like")
	for _, c := range []struct {
		name     string
		s        server
		password string
		heed     func([]byte) error
		want     error
	}{
		{"right", server{}, "secret", nil, nil},
		{"right, and encryption is due", server{sessionFlags: sessionEncrypt}, "secret", nil, nil},
		{"wrong", server{}, "no", nil, ntstatus.LogonFailure},
		{"guest", server{sessionFlags: sessionGuest}, "secret", nil, ErrGuest},
		{"null", server{sessionFlags: sessionNull}, "secret", nil, ErrNull},
		{"unsigned", server{unsigned: true}, "secret", nil, ErrUnsigned},
		{"signed by another key", server{twist: lastLeg(patch(signatureAt, 1, 2, 3))}, "secret", nil, ErrSignature},
		{"a challenge that is refused", server{}, "secret", func([]byte) error { return errNo }, errNo},
		{"one more leg", server{twist: lastLeg(patch(8, 0x16, 0, 0, 0xC0))}, "secret", nil, ErrLegs},
		{"a yes before the proof", server{twist: change(SessionSetup, patch(8, 0, 0, 0, 0))}, "secret", nil, ErrLegs},
	} {
		for _, d := range dialects {
			t.Run(c.name+" "+d.String(), func(t *testing.T) {
				s, seen := c.s, 0
				s.dialect, s.signing = d, signAESCMAC
				if d < SMB300 {
					s.signing = signHMACSHA256
				}
				err := LogOn(t.Context(), s.start(t), LogOnOptions{
					Server: "dc1", Account: Account{User: "alice", Password: c.password},
					Challenge: func(challenge []byte) error {
						if _, err := ntlm.ParseChallenge(challenge); err != nil {
							return err
						}
						seen++
						if c.heed != nil {
							return c.heed(challenge)
						}
						return nil
					},
				})
				if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if asked := s.legs; c.heed != nil && (seen != 1 || asked != 1) {
					t.Errorf("got %d challenges and %d legs, want 1 and 1: the proof was sent", seen, asked)
				}
			})
		}
	}
}

// TestGreet: what speaks SMB 2 or 3, and what does not.
func TestGreet(t *testing.T) {
	silent := func(*header, []byte) [][]byte { return nil }
	for _, c := range []struct {
		name string
		s    server
		want error
	}{
		{"SMB 3.1.1", server{dialect: SMB311, signing: signAESCMAC}, nil},
		{"SMB 1", server{dialect: SMB311, signing: signAESCMAC, twist: change(Negotiate, patch(0, 0xFF))}, ErrSMB1},
		{"nothing", server{dialect: SMB311, signing: signAESCMAC, twist: silent}, os.ErrDeadlineExceeded},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		if err := Greet(ctx, c.s.start(t)); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}
