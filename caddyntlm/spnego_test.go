package caddyntlm

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// What clients send under Negotiate, and what they are sent.

var negotiated = []string{"Negotiate", "NTLM", basicChallenge}

// newNegotiateDoor is a door with all three schemes.
func newNegotiateDoor(t *testing.T, change func(*door)) *door {
	t.Helper()
	return newDoor(t, func(d *door) {
		d.Schemes = []string{"negotiate", "ntlm", "basic"}
		if change != nil {
			change(d)
		}
	})
}

func negotiate(token []byte) string { return authorization("Negotiate", token) }

// opening is a NegTokenInit, with a token for the first mechanism or nil.
func opening(t testing.TB, token []byte, mechs ...spnego.OID) []byte {
	t.Helper()
	out, err := (&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(mechs...), MechToken: token}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func going(t testing.TB, token []byte) []byte {
	t.Helper()
	out, err := (&spnego.NegTokenResp{NegState: spnego.AcceptIncomplete, ResponseToken: token}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The same for those who hold no test: their mechanisms fit any token.
var (
	openNTLM     = mustMarshal((&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.NTLMSSP), MechToken: message1()}).Marshal())
	openKerberos = mustMarshal((&spnego.NegTokenInit{MechTypes: spnego.NewMechTypeList(spnego.MSKerberos, spnego.NTLMSSP)}).Marshal())
)

func wrap(message []byte) []byte {
	return mustMarshal((&spnego.NegTokenResp{ResponseToken: message}).Marshal())
}

func mustMarshal(token []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return token
}

func message1() []byte { return ntlmMessage(1, "negotiate") }

func message3(challenge []byte, user, password string) []byte {
	return authenticateMessage(challenge, user, password)
}

// token is the token of the only challenge of an answer, nil where there is
// none.
func (a answer) token(t testing.TB) []byte {
	t.Helper()
	lines := a.Header.Values("Www-Authenticate")
	if len(lines) != 1 {
		return nil
	}
	encoded, ok := strings.CutPrefix(lines[0], "Negotiate ")
	if !ok {
		return nil
	}
	token, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// resp is the NegTokenResp of an answer.
func (a answer) resp(t testing.TB, status int, state spnego.NegState) *spnego.NegTokenResp {
	t.Helper()
	token, err := spnego.ParseResp(a.token(t))
	if err != nil {
		t.Fatalf("got %d %q, want a NegTokenResp: %v", a.StatusCode, a.Header.Values("Www-Authenticate"), err)
	}
	if a.StatusCode != status || token.NegState != state {
		t.Fatalf("got %d, %v, want %d, %v", a.StatusCode, token.NegState, status, state)
	}
	return token
}

// ask sends the first two tokens and returns the controller's challenge.
func (c *client) ask(first []byte) []byte {
	c.t.Helper()
	return c.get(negotiate(first)).resp(c.t, 401, spnego.AcceptIncomplete).ResponseToken
}

// loginNegotiate runs a whole handshake of a client that prefers NTLM.
func (c *client) loginNegotiate(user, password string) answer {
	c.t.Helper()
	challenge := c.ask(opening(c.t, message1(), spnego.NTLMSSP))
	return c.get(negotiate(going(c.t, message3(challenge, user, password))))
}

// kerberosToken is a Kerberos token in its GSS-API frame, RFC 4121 4.1, with n
// bytes that are no AP-REQ.
func kerberosToken(n int) []byte {
	inner := append([]byte("\x06\x09"+string(spnego.Kerberos)+"\x01\x00"), bytes.Repeat([]byte{0x5A}, n)...)
	return append([]byte{0x60, 0x83, byte(len(inner) >> 16), byte(len(inner) >> 8), byte(len(inner))}, inner...)
}

// shortKerberosToken is one with the length in the short form.
func shortKerberosToken() []byte {
	inner := []byte("\x06\x09" + string(spnego.Kerberos) + "\x01\x00ticket")
	return append([]byte{0x60, byte(len(inner))}, inner...)
}
