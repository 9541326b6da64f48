package ntlm

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/cryptotest"
)

func TestOutOfOrder(t *testing.T) {
	negotiate := testClient().Negotiate()
	authenticate := unhex(t, specV2Authenticate)
	for _, c := range []struct {
		name string
		do   func(s *Server) error
	}{
		{"Type 3 first", func(s *Server) error {
			_, err := s.Check(authenticate, lookup)
			return err
		}},
		{"Type 1 twice", func(s *Server) error {
			_, _ = s.Challenge(negotiate)
			_, err := s.Challenge(negotiate)
			return err
		}},
		{"Type 3 twice", func(s *Server) error {
			_, _ = s.Challenge(negotiate)
			_, _ = s.Check(authenticate, lookup)
			_, err := s.Check(authenticate, lookup)
			return err
		}},
		{"after a bad Type 1", func(s *Server) error {
			_, _ = s.Challenge(authenticate)
			_, err := s.Challenge(negotiate)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.do(testServer()); !errors.Is(err, ErrOutOfOrder) {
				t.Errorf("got %v, want ErrOutOfOrder", err)
			}
		})
	}
}

func TestClientOutOfOrder(t *testing.T) {
	challenge := unhex(t, specV2Challenge)
	c := testClient()
	if _, err := c.Authenticate(challenge); !errors.Is(err, ErrOutOfOrder) {
		t.Errorf("challenge first: got %v, want ErrOutOfOrder", err)
	}
	c.Negotiate()
	if _, err := c.Authenticate(challenge); err != nil {
		t.Errorf("in order: got %v", err)
	}
	if _, err := c.Authenticate(challenge); !errors.Is(err, ErrOutOfOrder) {
		t.Errorf("twice: got %v, want ErrOutOfOrder", err)
	}
}

// TestReplay sends the Type 3 of one exchange to another.
func TestReplay(t *testing.T) { // B-01, B-02
	var first []byte
	if _, err := logOn(t, testClient(), testServer(), func(b []byte) []byte { first = b; return b }); err != nil {
		t.Fatal(err)
	}
	_, err := logOn(t, testClient(), testServer(), func([]byte) []byte { return first })
	if !errors.Is(err, ErrWrongResponse) {
		t.Errorf("got %v, want ErrWrongResponse", err)
	}
}

func TestClientSpecValues(t *testing.T) {
	// With the spec's challenge and random bytes the client makes the spec's
	// responses, [MS-NLMP] 4.2.4.2.
	c := &Client{User: specUser, Domain: specDomain, Workstation: specWorkstation, Password: specPassword,
		Flags: NegotiateSign | NegotiateSeal,
		Rand:  io.MultiReader(bytes.NewReader(specClientChallenge[:]), bytes.NewReader(specSessionKey[:]))}
	c.Negotiate()
	msg, err := c.Authenticate(unhex(t, specV2Challenge))
	if err != nil {
		t.Fatal(err)
	}
	got, want := mustAuthenticate(t, fmt.Sprintf("%x", msg)), mustAuthenticate(t, specV2Authenticate)
	if !bytes.Equal(got.NTResponse, want.NTResponse) || !bytes.Equal(got.LMResponse, want.LMResponse) ||
		!bytes.Equal(got.EncryptedSessionKey, want.EncryptedSessionKey) {
		t.Errorf("got %x %x %x", got.NTResponse, got.LMResponse, got.EncryptedSessionKey)
	}
	if c.SessionKey() != Key(specSessionKey) {
		t.Error("session key: not the random one")
	}
}

func TestNoRandomness(t *testing.T) {
	s := testServer()
	s.Rand = strings.NewReader("short")
	if _, err := s.Challenge(testClient().Negotiate()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("server: got %v", err)
	}
	c := testClient()
	c.Rand = strings.NewReader("short")
	c.Negotiate()
	if _, err := c.Authenticate(unhex(t, specV2Challenge)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("client: got %v", err)
	}
}

func TestServerNames(t *testing.T) { // B-17
	s := &Server{Nonce: &specServerChallenge, NetBIOSDomain: "EXAMPLE"}
	b, err := s.Challenge(testClient().Negotiate())
	if err != nil {
		t.Fatal(err)
	}
	ch, err := ParseChallenge(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := (AVPairs{}).SetText(AVNbDomainName, "EXAMPLE"); !reflect.DeepEqual(ch.TargetInfo, want) {
		t.Errorf("got %v, want %v", ch.TargetInfo, want)
	}
	if ch.TargetName != "EXAMPLE" || !ch.Flags.Has(TargetTypeDomain) || ch.ServerChallenge != specServerChallenge {
		t.Errorf("got %+v", ch)
	}
}

// TestChallengesAreRandom: threats B-02. A server that is told of no source
// draws eight bytes from crypto/rand for each exchange, and those are what it
// sends.
func TestChallengesAreRandom(t *testing.T) {
	drawn := func() (challenge [8]byte) {
		t.Helper()
		b, err := new(Server).Challenge(testClient().Negotiate())
		if err != nil {
			t.Fatal(err)
		}
		ch, err := ParseChallenge(b)
		if err != nil {
			t.Fatal(err)
		}
		return ch.ServerChallenge
	}
	seen := make(map[[8]byte]bool)
	for range 1000 {
		seen[drawn()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("got %d challenges in 1,000 exchanges", len(seen))
	}
	// The same bytes as crypto/rand's own, and eight of them.
	cryptotest.SetGlobalRandom(t, 1)
	want := make([]byte, 16)
	_, _ = rand.Read(want)
	cryptotest.SetGlobalRandom(t, 1)
	first, second := drawn(), drawn()
	if got := append(first[:], second[:]...); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x from crypto/rand", got, want)
	}
}
