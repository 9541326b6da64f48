package netlogon

import (
	"context"
	"crypto/hmac"
	"fmt"
	"io"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// NegotiateFlags, [MS-NRPC] 3.1.4.2: what is asked for, and what there must be of it
// in the answer.
const (
	flagsAsked = 0x612FFFFF

	flagStrongKeys = 0x00004000
	flagAES        = 0x01000000
	flagSealed     = 0x40000000
	flagsNeeded    = flagStrongKeys | flagAES | flagSealed
)

// workstationChannel is the kind of channel that a member has, [MS-NRPC] 2.2.1.3.13.
const workstationChannel = 2

// A session is what a machine account and a controller hold in common after they
// have proven themselves to each other.
type session struct {
	key   ntlm.Key
	flags uint32
	chain [8]byte // ClientStoredCredential, [MS-NRPC] 3.4.1
}

// Format hides the keys.
func (session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "netlogon.session") }

// handshake negotiates a session key, [MS-NRPC] 3.1.4.1, over a connection that is
// not protected.
func handshake(ctx context.Context, b *dcerpc.Binding, c *Config, hash ntlm.Key) (session, error) {
	client, err := drawChallenge(c.Rand)
	if err != nil {
		return session{}, err
	}
	server, err := exchangeChallenges(ctx, b, c, client)
	if err != nil {
		return session{}, err
	}
	if weak(server) || mirrors(server, client) {
		return session{}, ErrWeakChallenge
	}
	s := session{key: sessionKey(hash, client, server)}
	s.chain = credential(s.key, client)

	var w ndr.Writer
	w.Pointer(true)
	w.ZeroTerminated(c.server())
	w.ZeroTerminated(c.Account)
	w.Uint16(workstationChannel)
	w.ZeroTerminated(c.Computer)
	w.Bytes(s.chain[:])
	w.Uint32(flagsAsked)
	r, err := authenticate3.invoke(ctx, b, &w)
	if err != nil {
		return session{}, err
	}
	theirs := readEight(r)
	s.flags = r.Uint32()
	r.Uint32() // RID of the account
	if err := authenticate3.verdict(r); err != nil {
		return session{}, err
	}
	return s, s.check(theirs, server)
}

// check holds the controller to what it has to prove and to agree to.
func (s *session) check(theirs, challenge [8]byte) error {
	want := credential(s.key, challenge)
	if theirs == ([8]byte{}) || !hmac.Equal(theirs[:], want[:]) {
		return ErrServerCredential
	}
	if s.flags&flagsNeeded != flagsNeeded || s.flags&^flagsAsked != 0 {
		return fmt.Errorf("%w: it agrees to the flags %#08x of %#08x", ErrNoAES, s.flags, uint32(flagsAsked))
	}
	return nil
}

func exchangeChallenges(ctx context.Context, b *dcerpc.Binding, c *Config, client [8]byte) (server [8]byte, err error) {
	var w ndr.Writer
	w.Pointer(true)
	w.ZeroTerminated(c.server())
	w.ZeroTerminated(c.Computer)
	w.Bytes(client[:])
	r, err := reqChallenge.invoke(ctx, b, &w)
	if err != nil {
		return server, err
	}
	server = readEight(r)
	return server, reqChallenge.verdict(r)
}

// drawChallenge draws our challenge: never one that a controller takes for an
// attack, [MS-NRPC] 3.1.4.1.
func drawChallenge(random io.Reader) (challenge [8]byte, err error) {
	for range 8 {
		if _, err := io.ReadFull(random, challenge[:]); err != nil {
			return challenge, fmt.Errorf("random bytes for a Netlogon challenge: %w", err)
		}
		if !weak(challenge) {
			return challenge, nil
		}
	}
	return challenge, fmt.Errorf("random bytes for a Netlogon challenge: %w", ErrWeakChallenge)
}

// weak reports whether the first five bytes are one byte repeated: by chance that
// is one of 2³² challenges, and by an attacker one for which a credential can be
// guessed without the key.
func weak(challenge [8]byte) bool {
	for _, b := range challenge[1:5] {
		if b != challenge[0] {
			return false
		}
	}
	return true
}

// mirrors reports whether two challenges begin alike: by chance that is one of 2³², and
// by an attacker one whose credential the client's own tells, because equal beginnings
// are encrypted equally.
func mirrors(server, client [8]byte) bool { return string(server[:4]) == string(client[:4]) }

func readEight(r *ndr.Reader) (eight [8]byte) {
	copy(eight[:], r.Bytes(8))
	return eight
}
