package caddyntlm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// fakeTickets takes tokens that ticketOf makes.
type fakeTickets struct {
	directory   *fakeDirectory
	asked       atomic.Int32
	unsigned    bool // no MIC can be made
	single      bool // each token is one request
	lastChannel *identity.Channel
}

// ticketOf is a Kerberos token of somebody.
func ticketOf(user string) []byte {
	inner := []byte("\x06\x09" + string(spnego.Kerberos) + "\x01\x00ticket of " + user)
	return append([]byte{0x60, byte(len(inner))}, inner...)
}

func (f *fakeTickets) VerifyTicket(_ context.Context, token []byte, channel *identity.Channel) (*identity.Principal, identity.TicketContext, error) {
	f.asked.Add(1)
	f.lastChannel = channel
	_, user, ok := bytes.Cut(token, []byte("ticket of "))
	if !ok || f.directory.groups[string(user)] == nil {
		return nil, nil, &identity.Error{Kind: identity.KindBadToken, Err: errors.New("no ticket of ours")}
	}
	if err := channel.Check(f.directory.meant); err != nil {
		return nil, nil, err
	}
	var established identity.TicketContext = &fakeContext{!f.unsigned}
	if f.single {
		established = &singleContext{established, fmt.Sprintf("%x", token)}
	}
	return identity.Prove(identity.Proof{
		SID: f.directory.sid(string(user)), Claimed: identity.Name{User: string(user)}, Verifier: "keytab", Meant: f.directory.meant,
	}), established, nil
}

type fakeContext struct{ signs bool }

func (*fakeContext) Reply() []byte { return []byte("ap-rep") }
func (c *fakeContext) Signs() bool { return c.signs }
func (*fakeContext) GetMIC(message []byte) ([]byte, error) {
	return append([]byte("our mic of "), message...), nil
}
func (*fakeContext) VerifyMIC(message, mic []byte) (err error) {
	if string(mic) != "mic of "+string(message) {
		err = errors.New("a wrong MIC")
	}
	return err
}

func newTicketDoor(t *testing.T, change func(*door)) *door {
	t.Helper()
	return newDoor(t, func(d *door) {
		d.dir.tickets = &fakeTickets{directory: d.dir}
		if change != nil {
			change(d)
		}
	})
}

// TestTicket: one round, with the server's proof on the answer; neither this
// connection remembers it nor another one.
func TestTicket(t *testing.T) {
	d := newTicketDoor(t, nil)
	c := d.dial(t)
	c.get().want(t, 401, negotiated...)
	for name, token := range map[string][]byte{
		"SPNEGO": opening(t, ticketOf("alice"), spnego.MSKerberos, spnego.Kerberos, spnego.NegoEx, spnego.NTLMSSP),
		"raw":    ticketOf("alice"),
	} {
		t.Run(name, func(t *testing.T) {
			c := d.dial(t)
			got := c.get(negotiate(token))
			got.wantUser(t, "alice")
			if reply := got.token(t); got.StatusCode != 200 || !bytes.Contains(reply, []byte("ap-rep")) {
				t.Errorf("got %d with %q, want the server's proof", got.StatusCode, reply)
			}
			if _, fields := d.last(t); fields["scheme"] != "negotiate" || fields["event"] != "allow" {
				t.Errorf("got %v", fields)
			}
			c.get().want(t, 401, negotiated...)
			c.get(negotiate(token)).wantUser(t, "alice")
			d.dial(t).get().want(t, 401, negotiated...)
		})
	}
}

// TestTicketAgain: each ticket on a connection makes its own identity, a wrong one
// makes nobody.
func TestTicketAgain(t *testing.T) {
	d := newTicketDoor(t, nil)
	c := d.dial(t)
	c.get(negotiate(ticketOf("alice"))).wantUser(t, "alice")
	c.get(negotiate(ticketOf("bob"))).wantUser(t, "bob")
	c.get().want(t, 401, negotiated...)
	c.get(negotiate(ticketOf("mallory"))).want(t, 401, negotiated...)
	d.wantReason(t, identity.KindBadToken)
	c.get().want(t, 401, negotiated...)
	c.get(negotiate(ticketOf("alice"))).wantUser(t, "alice") // it begins anew
}

// TestTicketAmongNTLM: a ticket in the middle of an NTLM handshake, NTLM after a
// ticket, and a ticket after NTLM, which ends what the connection remembers.
func TestTicketAmongNTLM(t *testing.T) {
	d := newTicketDoor(t, nil)
	c := d.dial(t)
	c.get(type1())
	c.get(negotiate(ticketOf("alice"))).wantUser(t, "alice")
	if got := d.pending.taken.Load(); got != 0 {
		t.Errorf("got %d handshakes pending, want 0", got)
	}
	c.login("bob", "secret-b").wantUser(t, "bob")
	c.get().wantUser(t, "bob")
	c.get(negotiate(ticketOf("alice"))).wantUser(t, "alice")
	c.get().want(t, 401, negotiated...)
}

// TestTicketBehindAProxy: it is one request's, and nobody else's on the connection.
func TestTicketBehindAProxy(t *testing.T) {
	d := newTicketDoor(t, nil)
	c := d.dial(t)
	via := "Via: 1.1 pool"
	c.get(via).want(t, 401, "Negotiate", basicChallenge)
	c.get(via, negotiate(ticketOf("alice"))).wantUser(t, "alice")
	c.get(via).want(t, 401, "Negotiate", basicChallenge)
	c.get(via, negotiate(ticketOf("bob"))).wantUser(t, "bob")
}

// TestTicketOnHTTP2: likewise, with the streams of two people side by side.
func TestTicketOnHTTP2(t *testing.T) {
	d := prepareDoor(t, func(d *door) { d.dir.tickets = &fakeTickets{directory: d.dir} })
	d.server = newTLSServer(d)
	t.Cleanup(d.close)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	t.Cleanup(transport.CloseIdleConnections)
	for _, user := range []string{"alice", "", "bob", ""} {
		r, err := http.NewRequest(http.MethodGet, d.server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			key, value, _ := strings.Cut(negotiate(ticketOf(user)), ": ")
			r.Header.Set(key, value)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got := readAnswer(t, response)
		if user == "" {
			got.want(t, 401, "Negotiate", "NTLM", `Basic realm="127.0.0.1", charset="UTF-8"`)
			continue
		}
		got.wantUser(t, user)
	}
}

// TestTicketSecondChoice: a client that would rather have something else is told
// Kerberos, sends its ticket, and owes the signature of its list: B-12.
func TestTicketSecondChoice(t *testing.T) {
	for name, c := range map[string]struct {
		mic  string
		want int
	}{"signed": {"mic of ", 200}, "signed wrongly": {"no mic of ", 401}} {
		t.Run(name, func(t *testing.T) {
			d := newTicketDoor(t, nil)
			client := d.dial(t)
			list := spnego.NewMechTypeList(spnego.NegoEx, spnego.Kerberos)
			token := client.get(negotiate(opening(t, []byte("x"), spnego.NegoEx, spnego.Kerberos))).resp(t, 401, spnego.RequestMIC)
			if token.SupportedMech != spnego.Kerberos {
				t.Fatalf("got %v, want Kerberos", token.SupportedMech)
			}
			token = client.get(negotiate(going(t, ticketOf("alice")))).resp(t, 401, spnego.AcceptIncomplete)
			if string(token.ResponseToken) != "ap-rep" {
				t.Errorf("got %q, want the server's proof", token.ResponseToken)
			}
			raw, err := (&spnego.NegTokenResp{MechListMIC: append([]byte(c.mic), list.DER()...)}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got := client.get(negotiate(raw))
			if got.StatusCode != c.want {
				t.Fatalf("got %d, want %d; %s", got.StatusCode, c.want, d.reason())
			}
			if c.want == 200 {
				got.wantUser(t, "alice")
			}
			client.get().want(t, 401, negotiated...)
			if got := d.pending.taken.Load(); got != 0 {
				t.Errorf("got %d handshakes pending, want 0", got)
			}
			d.dir.checkClosed(t)
		})
	}
}

// TestTicketSchemes: what is offered and taken, by default and by word.
func TestTicketSchemes(t *testing.T) {
	d := newTicketDoor(t, nil)
	d.dial(t).get(negotiate(opening(t, message1(), spnego.NTLMSSP))).want(t, 401, negotiated...) // NTLM has its own scheme
	d.wantReason(t, identity.KindScheme)
	d = newTicketDoor(t, func(d *door) { d.Schemes = []string{"negotiate"} })
	d.dial(t).loginNegotiate("alice", "secret-a").wantUser(t, "alice")
	d.dial(t).get(negotiate(ticketOf("bob"))).wantUser(t, "bob")
	d = newTicketDoor(t, func(d *door) { d.dir.noNTLM = true })
	d.dial(t).get().want(t, 401, "Negotiate", basicChallenge)
	d.dial(t).get(negotiate(ticketOf("bob"))).wantUser(t, "bob")
}
