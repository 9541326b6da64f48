package ntlm

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func testClient() *Client {
	return &Client{User: "User", Domain: "Domain", Workstation: "DESK", Password: specPassword}
}

// logOn runs a whole exchange and returns the Type 3 besides its outcome.
func logOn(t *testing.T, c *Client, s *Server, change func(authenticate []byte) []byte) (*Accepted, error) {
	t.Helper()
	challenge, err := s.Challenge(c.Negotiate())
	if err != nil {
		t.Fatal(err)
	}
	authenticate, err := c.Authenticate(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		authenticate = change(authenticate)
	}
	return s.Check(authenticate, lookup)
}

func TestExchange(t *testing.T) {
	bindings := ChannelBindings([]byte("tls-server-end-point:hash"))
	for _, c := range []struct {
		name   string
		client func(*Client)
		server func(*Server)
		want   error
	}{
		{"plain", nil, nil, nil},
		{"signing", func(c *Client) { c.Flags = NegotiateSign }, nil, nil},
		{"sealing and a version", func(c *Client) {
			c.Flags = NegotiateSign | NegotiateSeal
			c.Version = &Version{10, 0, 20348, RevisionW2K3}
		}, func(s *Server) { s.Version = &Version{6, 1, 7600, RevisionW2K3} }, nil},
		{"bindings and target", func(c *Client) {
			c.ChannelBinding = &bindings
			c.TargetName = "HTTP/web01.example.com"
		}, nil, nil},
		{"no time, hence no MIC", func(c *Client) { c.Now = time.Unix(1e9, 0) }, func(s *Server) { s.Now = nil }, nil},
		{"server without names", nil, func(s *Server) { *s = Server{} }, nil},
		{"server without a domain", nil, func(s *Server) { s.NetBIOSDomain = "" }, nil},
		{"wrong password", func(c *Client) { c.Password = "password" }, nil, ErrWrongResponse},
		{"unknown user", func(c *Client) { c.User = "nobody" }, nil, ErrWrongResponse},
		{"no user, no password", func(c *Client) { c.User, c.Password = "", "" }, nil, ErrWrongResponse},
		{"anonymous flag", func(c *Client) { c.Flags = NegotiateAnonymous }, nil, nil}, // the server does not grant it
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := testClient(), testServer()
			if c.client != nil {
				c.client(client)
			}
			if c.server != nil {
				c.server(server)
			}
			got, err := logOn(t, client, server, nil)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			if got.User != client.User || got.Domain != client.Domain || got.Workstation != client.Workstation {
				t.Errorf("got %s\\%s at %s", got.Domain, got.User, got.Workstation)
			}
			if got.SessionKey != client.SessionKey() || got.SessionKey == (Key{}) {
				t.Error("the two sides hold different session keys, or none")
			}
			if b, ok := got.Response.AVPairs.ChannelBindings(); ok != (client.ChannelBinding != nil) || ok && b != bindings {
				t.Errorf("bindings: got %x, %v", b, ok)
			}
			if n, _ := got.Response.AVPairs.TargetName(); n != client.TargetName {
				t.Errorf("target: got %q, want %q", n, client.TargetName)
			}
			if mic := got.Response.PromisesMIC(); mic != (server.Now != nil) {
				t.Errorf("MIC promised: got %v", mic)
			}
		})
	}
}

func TestTamperedAuthenticate(t *testing.T) { // B-16
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"MIC", flip(authenticateMICAt), ErrMIC},
		{"version flag", flip(authenticateFlagsAt + 3), ErrMIC},
		{"domain", flip(authenticateMIC), ErrWrongResponse},
		{"last byte of the response", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, ErrWrongResponse},
		{"MIC taken out of the header", withoutMIC, ErrMIC},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, ErrMalformed},
		{"NTLMv1 of the right size", func(b []byte) []byte {
			return edit(b, authenticateNTAt, 24, uint32(b[authenticateNTAt+4])|uint32(b[authenticateNTAt+5])<<8)
		}, ErrNotV2},
		{"no response", func(b []byte) []byte { return edit(b, authenticateNTAt, 0, 0) }, ErrNotV2},
		{"no response, no user", func(b []byte) []byte {
			return edit(edit(b, authenticateNTAt, 0, 0), authenticateUserAt, 0, 0)
		}, ErrAnonymous},
		{"a negotiate again", func([]byte) []byte { return testClient().Negotiate() }, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := logOn(t, testClient(), testServer(), c.change)
			if !errors.Is(err, c.want) || got != nil {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// withoutMIC rebuilds the message with a header that has no room for a MIC.
func withoutMIC(b []byte) []byte {
	m, err := ParseAuthenticate(b)
	if err != nil {
		panic(err)
	}
	m.MIC = nil
	out, err := m.Marshal()
	if err != nil {
		panic(err)
	}
	return out
}

// TestMICKey holds the MIC against both readings of a key exchange with nothing
// to sign.
func TestMICKey(t *testing.T) {
	for _, exchanged := range []bool{false, true} {
		t.Run(fmt.Sprint("exchanged ", exchanged), func(t *testing.T) {
			s, c := testServer(), testClient()
			c.Flags = NegotiateKeyExch
			var base, exported Key
			got, err := logOn(t, c, s, func(b []byte) []byte {
				base, exported = c.SessionKey(), specSessionKey
				m, err := ParseAuthenticate(b)
				if err != nil {
					t.Fatal(err)
				}
				wrapped := WrapSessionKey(base, exported)
				m.EncryptedSessionKey = wrapped[:]
				if b, err = m.Marshal(); err != nil {
					t.Fatal(err)
				}
				key := base
				if exchanged {
					key = exported
				}
				mic := MIC(key, s.negotiate, s.challenge, b)
				copy(b[authenticateMICAt:], mic[:])
				return b
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := map[bool]Key{false: base, true: exported}[exchanged]; got.SessionKey != want {
				t.Error("the other key was returned")
			}
		})
	}
}

func TestKeyExchangeWithoutKey(t *testing.T) {
	c := testClient()
	c.Flags = NegotiateSign
	_, err := logOn(t, c, testServer(), func(b []byte) []byte { return edit(b, authenticateKeyAt, 0, 0) })
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
}
