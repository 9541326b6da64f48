package demodir

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	asn1 "github.com/go-asn1-ber/asn1-ber"
)

// wire is a connection on which a test writes BER with a library that the
// server does not use.
type wire struct {
	net.Conn
	t *testing.T
}

func dialWire(t *testing.T, s *Server) *wire {
	t.Helper()
	nc, err := tls.Dial("tcp", strings.TrimPrefix(s.LDAPS(), "ldaps://"), trust(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return &wire{Conn: nc, t: t}
}

// bindReply is what the tests look at in a BindResponse.
type bindReply struct {
	code          int64
	matched, text string
	creds         []byte
	lost          bool
}

func (w *wire) ask(op *asn1.Packet) bindReply {
	w.t.Helper()
	message := asn1.NewSequence("LDAPMessage")
	message.AppendChild(asn1.NewInteger(asn1.ClassUniversal, asn1.TypePrimitive, asn1.TagInteger, 7, "id"))
	message.AppendChild(op)
	if _, err := w.Write(message.Bytes()); err != nil {
		w.t.Fatal(err)
	}
	packet, err := asn1.ReadPacket(w)
	if err != nil {
		return bindReply{lost: true}
	}
	if id := packet.Children[0].Value.(int64); id != 7 {
		w.t.Errorf("got message %d, want 7", id)
	}
	res := packet.Children[1].Children
	reply := bindReply{code: res[0].Value.(int64), matched: res[1].Value.(string), text: res[2].Value.(string)}
	if len(res) > 3 {
		reply.creds = res[3].Data.Bytes()
	}
	return reply
}

func bindPacket(auth *asn1.Packet) *asn1.Packet {
	op := asn1.Encode(asn1.ClassApplication, asn1.TypeConstructed, 0, nil, "BindRequest")
	op.AppendChild(asn1.NewInteger(asn1.ClassUniversal, asn1.TypePrimitive, asn1.TagInteger, 3, "version"))
	op.AppendChild(asn1.NewString(asn1.ClassUniversal, asn1.TypePrimitive, asn1.TagOctetString, "", "name"))
	op.AppendChild(auth)
	return op
}

func (w *wire) sasl(token []byte) bindReply {
	w.t.Helper()
	return w.mechanism("GSS-SPNEGO", token)
}

func (w *wire) mechanism(name string, token []byte) bindReply {
	w.t.Helper()
	auth := asn1.Encode(asn1.ClassContext, asn1.TypeConstructed, 3, nil, "sasl")
	auth.AppendChild(asn1.NewString(asn1.ClassUniversal, asn1.TypePrimitive, asn1.TagOctetString, name, "mechanism"))
	auth.AppendChild(asn1.NewString(asn1.ClassUniversal, asn1.TypePrimitive, asn1.TagOctetString, string(token), "credentials"))
	return w.ask(bindPacket(auth))
}

func (w *wire) sicily(tag asn1.Tag, token []byte) bindReply {
	w.t.Helper()
	return w.ask(bindPacket(asn1.NewString(asn1.ClassContext, asn1.TypePrimitive, tag, string(token), "sicily")))
}

func (w *wire) whoami() string {
	w.t.Helper()
	op := asn1.Encode(asn1.ClassApplication, asn1.TypeConstructed, 23, nil, "ExtendedRequest")
	op.AppendChild(asn1.NewString(asn1.ClassContext, asn1.TypePrimitive, 0, "1.3.6.1.4.1.4203.1.11.3", "oid"))
	return string(w.ask(op).creds)
}

// challenge does the first leg with go-ntlmssp's Type 1.
func (w *wire) challenge() []byte {
	w.t.Helper()
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		w.t.Fatal(err)
	}
	reply := w.sasl(negotiate)
	if reply.code != 14 || !bytes.HasPrefix(reply.creds, []byte("NTLMSSP\x00\x02")) {
		w.t.Fatalf("got %+v, want 14 with a Type 2", reply)
	}
	return reply.creds
}

func (w *wire) login(user, password string, change ...func([]byte)) bindReply {
	w.t.Helper()
	authenticate, err := ntlmssp.NewAuthenticateMessage(w.challenge(), user, password, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range change {
		c(authenticate)
	}
	return w.sasl(authenticate)
}

// setFlags adds to the flags of a Type 3, at byte 60 of it.
func setFlags(flags uint32) func([]byte) {
	return func(m []byte) {
		binary.LittleEndian.PutUint32(m[60:], binary.LittleEndian.Uint32(m[60:])|flags)
	}
}

func TestSASL(t *testing.T) {
	s := start(t)
	for _, name := range []string{"alice", `EXAMPLE\alice`, `OTHER\alice`, "ALICE", "alice@example.test"} {
		w := dialWire(t, s)
		if reply := w.login(name, "Secr3t-alice"); reply.code != 0 || reply.creds != nil {
			t.Errorf("%s: got %+v, want 0", name, reply)
		}
		if got, want := w.whoami(), `u:EXAMPLE\alice`; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestSASLFailures(t *testing.T) {
	s := start(t, more)
	for _, r := range refusals {
		t.Run(r.user+" "+r.data, func(t *testing.T) {
			reply := dialWire(t, s).login(r.user, r.password)
			if want := acceptError(r.data); reply.code != 49 || reply.text != want {
				t.Errorf("got %+v, want 49 %s", reply, want)
			}
		})
	}
	if reply := dialWire(t, s).login("dead", "Secr3t-dead"); !reply.lost {
		t.Errorf("dead: got %+v, want no answer", reply)
	}
	if reply := dialWire(t, s).login("slow", "Secr3t-slow"); reply.code != 0 {
		t.Errorf("slow: got %+v, want 0", reply)
	}
}

// A client that signs gets 53 over TLS, where the password is right.
func TestSASLSigning(t *testing.T) {
	s, strict := start(t), start(t, func(c *Config) { c.SigningRequired = true })
	const sign = 0x10
	for name, tc := range map[string]struct {
		server   *Server
		password string
		flags    uint32
		code     int64
	}{
		"asked for":           {s, "Secr3t-alice", sign, 53},
		"asked for, wrong":    {s, "wrong", sign, 49},
		"required":            {strict, "Secr3t-alice", 0, 8},
		"required, wrong":     {strict, "wrong", 0, 49},
		"required, asked for": {strict, "Secr3t-alice", sign, 53},
	} {
		t.Run(name, func(t *testing.T) {
			w := dialWire(t, tc.server)
			if reply := w.login("alice", tc.password, setFlags(tc.flags)); reply.code != tc.code {
				t.Errorf("got %+v, want %d", reply, tc.code)
			}
			if got := w.whoami(); got != "" {
				t.Errorf("bound as %q", got)
			}
		})
	}
}

func TestSASLBadBindings(t *testing.T) {
	reply := dialWire(t, start(t, func(c *Config) { c.BadBindings = true })).login("alice", "Secr3t-alice")
	if reply.code != 49 || !strings.HasPrefix(reply.text, "80090346: ") {
		t.Errorf("got %+v, want 49 80090346", reply)
	}
}

func TestSASLGuest(t *testing.T) {
	w := dialWire(t, start(t, func(c *Config) { c.GuestMap = true }))
	if reply := w.login("nobody", "x"); reply.code != 0 {
		t.Errorf("got %+v, want 0", reply)
	}
	if got, want := w.whoami(), `u:EXAMPLE\Guest`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// anonymousType3 is an AUTHENTICATE_MESSAGE of nobody, [MS-NLMP] 3.2.5.1.2.
func anonymousType3() []byte {
	m := make([]byte, 65)
	copy(m, "NTLMSSP\x00\x03")
	put := func(at int, size uint16) {
		binary.LittleEndian.PutUint16(m[at:], size)
		binary.LittleEndian.PutUint16(m[at+2:], size)
		binary.LittleEndian.PutUint32(m[at+4:], 64)
	}
	put(12, 1)
	for _, at := range []int{20, 28, 36, 44, 52} {
		put(at, 0)
	}
	binary.LittleEndian.PutUint32(m[60:], 0x00000A01) // UNICODE, NTLM, ANONYMOUS
	return m
}

// The trap: nobody's log-in is a success, as on a controller.
func TestSASLAnonymous(t *testing.T) {
	w := dialWire(t, start(t))
	w.challenge()
	if reply := w.sasl(anonymousType3()); reply.code != 0 {
		t.Fatalf("got %+v, want 0", reply)
	}
	if got, want := w.whoami(), `u:NT AUTHORITY\ANONYMOUS LOGON`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A response to the challenge of another exchange.
func TestSASLForeignChallenge(t *testing.T) {
	s := start(t)
	one, two := dialWire(t, s), dialWire(t, s)
	challenge := one.challenge()
	time.Sleep(time.Millisecond)
	two.challenge()
	authenticate, err := ntlmssp.NewAuthenticateMessage(challenge, "alice", "Secr3t-alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	if reply := two.sasl(authenticate); reply.code != 49 || reply.text != acceptError("57") {
		t.Errorf("got %+v, want 49 57", reply)
	}
}

// A client that sends a MIC, and somebody who changed the message on its way.
func TestSASLIntegrity(t *testing.T) {
	s := start(t)
	for name, tc := range map[string]struct {
		change func([]byte)
		code   int64
		text   string
	}{
		"untouched":    {func([]byte) {}, 0, ""},
		"another MIC":  {func(m []byte) { m[72]++ }, 49, acceptError("57")},
		"another flag": {func(m []byte) { m[60] ^= 0x20 }, 49, acceptError("57")},
	} {
		t.Run(name, func(t *testing.T) {
			w := dialWire(t, s)
			client := ntlm.Client{User: "alice", Domain: "EXAMPLE", Password: "Secr3t-alice"}
			authenticate, err := client.Authenticate(w.sasl(client.Negotiate()).creds)
			if err != nil {
				t.Fatal(err)
			}
			tc.change(authenticate)
			if reply := w.sasl(authenticate); reply.code != tc.code || reply.text != tc.text {
				t.Errorf("got %+v, want %d %s", reply, tc.code, tc.text)
			}
		})
	}
}

func TestSASLOutOfOrder(t *testing.T) {
	s := start(t)
	authenticate := func(w *wire) []byte {
		m, err := ntlmssp.NewAuthenticateMessage(w.challenge(), "alice", "Secr3t-alice", nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, act := range map[string]func(*wire) bindReply{
		"type 3 first":      func(w *wire) bindReply { return w.sasl(anonymousType3()) },
		"type 3 twice":      func(w *wire) bindReply { m := authenticate(w); w.sasl(m); return w.sasl(m) },
		"type 1 twice":      func(w *wire) bindReply { return w.sasl(w.challenge()) },
		"garbage":           func(w *wire) bindReply { return w.sasl([]byte("garbage")) },
		"nothing":           func(w *wire) bindReply { return w.sasl(nil) },
		"cut type 3":        func(w *wire) bindReply { return w.sasl(authenticate(w)[:70]) },
		"by sicily instead": func(w *wire) bindReply { return w.sicily(11, authenticate(w)) },
	} {
		t.Run(name, func(t *testing.T) {
			if reply := act(dialWire(t, s)); reply.code != 49 || reply.text != acceptError("57") {
				t.Errorf("got %+v, want 49 57", reply)
			}
		})
	}
	t.Run("another mechanism", func(t *testing.T) {
		if reply := dialWire(t, s).mechanism("PLAIN", nil); reply.code != 7 {
			t.Errorf("got %+v, want 7", reply)
		}
	})
}

func TestSASLFailureLeavesIdentity(t *testing.T) {
	w := dialWire(t, start(t))
	w.login("alice", "Secr3t-alice")
	if reply := w.login("bob", "wrong"); reply.code != 49 {
		t.Fatalf("got %+v, want 49", reply)
	}
	if got, want := w.whoami(), `u:EXAMPLE\alice`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSicilyDiscovery(t *testing.T) {
	if reply := dialWire(t, start(t)).sicily(9, nil); reply.code != 0 || reply.matched != "NTLM" {
		t.Errorf("got %+v, want NTLM", reply)
	}
}

// Operations that this directory does not do.
func TestOtherOperations(t *testing.T) {
	s := start(t)
	for _, tag := range []asn1.Tag{6, 8, 12, 14, 20} {
		op := asn1.Encode(asn1.ClassApplication, asn1.TypeConstructed, tag, nil, "op")
		op.AppendChild(asn1.NewString(asn1.ClassUniversal, asn1.TypePrimitive, asn1.TagOctetString, "x", "dn"))
		want := int64(53)
		if tag == 20 { // no operation of LDAP
			want = 2
		}
		if reply := dialWire(t, s).ask(op); reply.code != want {
			t.Errorf("operation %d: got %+v, want %d", tag, reply, want)
		}
	}
}

func TestGarbageEndsConnection(t *testing.T) {
	s := start(t)
	for _, sent := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"\x30\x84\x7F\xFF\xFF\xFF",
		"\x30\x80\x00\x00\x00\x00",
		"\x30\x00",
		"\x30\x05\x02\x01\x01\x60\x00",
		"\x30\x03\x02\x01",
	} {
		w := dialWire(t, s)
		if _, err := io.WriteString(w, sent); err != nil {
			t.Fatal(err)
		}
		_ = w.Conn.(*tls.Conn).CloseWrite()
		if n, err := w.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%q was answered", sent)
		}
	}
}
