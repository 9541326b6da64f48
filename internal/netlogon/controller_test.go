package netlogon

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "Secr3t-WEB01"

// controller does what a controller does, except where its script says otherwise.
// It is never the witness that ours is right, Samba is that, but shows what a
// controller that lies can do.
type controller struct {
	script
	mu      sync.Mutex
	key     ntlm.Key // of the last channel negotiated
	flags   uint32
	chain   [8]byte
	client  [8]byte // the client's challenge
	opened  int     // connections
	sealed  int     // sealed ones
	asked   int     // log-ins
	opening int     // handshakes under way
	overlap bool    // there were two at once
	wait    sync.WaitGroup
}

// seen is what the controller has seen up to now.
type seen struct{ opened, sealed, asked int }

func (c *controller) seen() seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return seen{c.opened, c.sealed, c.asked}
}

type script struct {
	hash         ntlm.Key // of the machine's password; the right one where it is zero
	hear         func(opnum uint16, stub []byte)
	challenge    func(client [8]byte) [8]byte
	authenticate func(credential [8]byte, flags uint32) ([8]byte, uint32, ntstatus.Status)
	capabilities func(flags uint32) (uint32, ntstatus.Status)
	returned     func(credential [8]byte) [8]byte  // in the return authenticator
	token        []byte                            // in the answer to a sealed bind
	decide       func(n int, level uint16) []byte  // the answer to the n-th log-in
	mangle       func(n int, answer []byte) []byte // the n-th answer of a sealed connection, on the way
	plain        bool                              // answers without sealing
	bare         bool                              // signs no headers
	bound        func(ack []byte)                  // the answer to a sealed bind, on the way
	fault        func(opnum uint16, n int) uint32  // where not 0
	stall        func(n int) bool                  // keeps silent
}

// config is a client's, whose connections end at the controller.
func (c *controller) config(t testing.TB) Config {
	t.Helper()
	if c.hash == (ntlm.Key{}) {
		c.hash = ntlm.NTOWFv1(password)
	}
	t.Cleanup(c.wait.Wait)
	return Config{
		Server: "dc1.example.test", Domain: "EXAMPLE", Account: "WEB01$",
		Secret: func() ([]byte, error) { return []byte(password), nil },
		Connect: func(context.Context) (dcerpc.Stream, error) {
			client, server := net.Pipe()
			c.mu.Lock()
			c.opened++
			c.mu.Unlock()
			c.wait.Go(func() { c.serve(server) })
			return client, nil
		},
	}
}

// pdu is a fragment as it came.
type pdu struct {
	raw    []byte
	kind   byte
	call   uint32
	signed int // length of its authentication value
}

func readPDU(from io.Reader) (pdu, error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(from, head); err != nil {
		return pdu{}, err
	}
	rest := make([]byte, int(binary.LittleEndian.Uint16(head[8:]))-16)
	_, err := io.ReadFull(from, rest)
	return pdu{append(head, rest...), head[2], binary.LittleEndian.Uint32(head[12:]), int(binary.LittleEndian.Uint16(head[10:]))}, err
}

// writePDU is a whole PDU, with a trailer where there is a value.
func writePDU(kind byte, call uint32, body []byte, padding int, value []byte) []byte {
	raw := []byte{5, 0, kind, 3, 0x10, 0, 0, 0, 0, 0, byte(len(value)), 0}
	raw = append(binary.LittleEndian.AppendUint32(raw, call), body...)
	if value != nil {
		raw = append(raw, authnNetlogon, 6, byte(padding), 0, 1, 0, 0, 0)
		raw = append(raw, value...)
	}
	binary.LittleEndian.PutUint16(raw[8:], uint16(len(raw)))
	return raw
}

func (c *controller) serve(conn net.Conn) {
	defer conn.Close()
	var seal *peer
	sealedCall := 0
	for {
		p, err := readPDU(conn)
		if err != nil {
			return
		}
		if p.kind == 11 {
			c.mu.Lock()
			var token []byte
			if p.signed > 0 {
				seal = &peer{sealer: newSealer(c.key, nil)}
				c.sealed++
				if token = c.token; token == nil {
					token = []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
				}
			}
			c.mu.Unlock()
			ack := append([]byte{0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, dcerpc.NDR.UUID[:]...)
			raw := writePDU(12, p.call, append(ack, 2, 0, 0, 0), 0, token)
			if seal != nil && !c.bare {
				raw[3] |= p.raw[3] & 4 // signs headers where the client does
				seal.signs = raw[3]&4 != 0
			}
			if seal != nil && c.bound != nil {
				c.bound(raw)
			}
			if _, err := conn.Write(raw); err != nil {
				return
			}
			continue
		}
		opnum, stub := binary.LittleEndian.Uint16(p.raw[22:]), p.raw[24:]
		if seal != nil {
			if stub = seal.open(p); stub == nil {
				return // the client's signature is wrong
			}
		}
		answer := c.answer(conn, opnum, stub, p.call, seal)
		if answer == nil {
			return
		}
		if seal != nil && c.mangle != nil {
			if answer = c.mangle(sealedCall, answer); answer == nil {
				return
			}
		}
		sealedCall++
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func (c *controller) answer(conn net.Conn, opnum uint16, stub []byte, call uint32, seal *peer) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hear != nil {
		c.hear(opnum, stub)
	}
	n := c.asked
	if opnum == samLogonEx.opnum {
		c.asked++
	}
	if c.fault != nil {
		if status := c.fault(opnum, n); status != 0 {
			return writePDU(3, call, binary.LittleEndian.AppendUint32(make([]byte, 8), status), 0, nil)
		}
	}
	if c.stall != nil && opnum == samLogonEx.opnum && c.stall(n) {
		c.mu.Unlock()
		_, _ = io.Copy(io.Discard, conn)
		c.mu.Lock()
		return nil
	}
	var out []byte
	switch opnum {
	case reqChallenge.opnum:
		out = c.onChallenge(stub)
	case authenticate3.opnum:
		out = c.onAuthenticate(stub)
	case getCapabilities.opnum:
		out = c.onCapabilities(stub)
	case samLogonEx.opnum:
		out = c.onLogon(stub, n)
	}
	if seal == nil || c.plain {
		return writePDU(2, call, append(make([]byte, 8), out...), 0, nil)
	}
	var all []byte
	for first := true; first || len(out) > 0; first = false {
		part := out[:min(4000, len(out))]
		out = out[len(part):]
		padding := -len(part) & 15
		body := append(append(make([]byte, 8), part...), make([]byte, padding)...)
		raw := writePDU(2, call, body, padding, make([]byte, signatureLen))
		raw[3] = 0
		if first {
			raw[3] |= 1
		}
		if len(out) == 0 {
			raw[3] |= 2
		}
		at := len(raw) - signatureLen
		signature := seal.seal(raw[24:at-8], seal.around(raw, signatureLen))
		copy(raw[at:], signature)
		all = append(all, raw...)
	}
	return all
}

// handshakes in progress, by the client's challenge and the controller's.
func (c *controller) onChallenge(stub []byte) []byte {
	c.overlap = c.overlap || c.opening > 0
	c.opening++
	client := [8]byte(stub[len(stub)-8:])
	server := [8]byte{0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 7, byte(c.opened)}
	if c.challenge != nil {
		server = c.challenge(client)
	}
	c.key, c.client = sessionKey(c.hash, client, server), client
	copy(c.chain[:], server[:]) // until the client's credential comes
	return append(server[:], 0, 0, 0, 0)
}

func (c *controller) onAuthenticate(stub []byte) []byte {
	c.opening--
	theirs := [8]byte(stub[len(stub)-12:])
	asked := binary.LittleEndian.Uint32(stub[len(stub)-4:])
	ours, status := credential(c.key, c.chain), ntstatus.Status(0)
	c.chain, c.flags = theirs, asked
	switch {
	case c.authenticate == nil && theirs != credential(c.key, c.client):
		ours, status = [8]byte{}, ntstatus.AccessDenied
	case c.authenticate != nil:
		ours, c.flags, status = c.authenticate(ours, asked)
	}
	out := binary.LittleEndian.AppendUint32(ours[:], c.flags)
	return binary.LittleEndian.AppendUint32(append(out, 0, 0, 0, 0), uint32(status))
}

func (c *controller) onCapabilities(stub []byte) []byte {
	s := session{key: c.key, chain: c.chain}
	seconds := binary.LittleEndian.Uint32(stub[len(stub)-20:])
	if got, want := [8]byte(stub[len(stub)-28:]), s.step(seconds); got != want {
		return append(make([]byte, 20), 0x22, 0, 0, 0xC0)
	}
	back := s.step(1)
	c.chain = s.chain
	if c.returned != nil {
		back = c.returned(back)
	}
	flags, status := c.flags, ntstatus.Status(0)
	if c.capabilities != nil {
		flags, status = c.capabilities(flags)
	}
	out := append(back[:], 0, 0, 0, 0, 1, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(out, flags), uint32(status))
}

func (c *controller) onLogon(stub []byte, n int) []byte {
	level := binary.LittleEndian.Uint16(stub[len(stub)-8:])
	if c.decide != nil {
		return c.decide(n, level)
	}
	return yes()
}

// peer is the other end of a sealer: what one sends the other receives.
type peer struct {
	*sealer
	signs bool // headers too
}

// around is what is signed besides what is sealed.
func (s *peer) around(raw []byte, signed int) dcerpc.Around {
	if !s.signs {
		return dcerpc.Around{}
	}
	at := len(raw) - signed
	return dcerpc.Around{Header: raw[:24], Trailer: raw[at-8 : at]}
}

// open gives the stub of a request without what verifies its bind, or nil where its
// signature is not the client's.
func (s *peer) open(p pdu) []byte {
	plain, ok := s.unseal(p)
	if !ok {
		return nil
	}
	stub := plain[:len(plain)-int(p.raw[len(p.raw)-p.signed-6])]
	mark := []byte{0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71}
	if at := bytes.Index(stub, mark); at >= 0 {
		return stub[:at]
	}
	return stub
}

// unseal opens a request and keeps its padding.
func (s *peer) unseal(p pdu) (plain []byte, ok bool) {
	at := len(p.raw) - p.signed
	signature, plain := bytes.Clone(p.raw[at:]), bytes.Clone(p.raw[24:at-8])
	number, _ := s.next(true)
	confounder, sent := signature[confounderAt:signatureEnd], [8]byte(signature[sequenceAt:])
	data := newStream(s.sealing, number[:])
	data.decrypt(confounder)
	data.decrypt(plain)
	newStream(s.key, signature[checksumAt:confounderAt]).decrypt(sent[:])
	return plain, sent == number && bytes.Equal(s.checksum(signature[:8], confounder, plain, s.around(p.raw, p.signed)), signature[checksumAt:confounderAt])
}

func (s *peer) seal(plain []byte, around dcerpc.Around) []byte {
	number, _ := s.next(false)
	confounder := []byte("confound")
	checksum := s.checksum(signatureHead[:], confounder, plain, around)
	data := newStream(s.sealing, number[:])
	data.encrypt(confounder)
	data.encrypt(plain)
	newStream(s.key, checksum).encrypt(number[:])
	signature := append(append(append(signatureHead[:], number[:]...), checksum...), confounder...)
	return append(signature, make([]byte, signatureLen-signatureEnd)...)
}

func unhex(text string) []byte {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return raw
}

// recorded are calls as Samba writes them; testdata/README.md tells how they were
// made.
var recorded = sync.OnceValue(func() map[string]call {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		panic(err)
	}
	var all map[string]struct{ Request, Answer string }
	if err := json.Unmarshal(text, &all); err != nil {
		panic(err)
	}
	calls := make(map[string]call)
	for name, v := range all {
		calls[name] = call{unhex(v.Request), unhex(v.Answer)}
	}
	return calls
})

// call is the stubs of one.
type call struct{ request, answer []byte }

// yes is Samba's answer to a log-in, at level 6.
func yes() []byte { return bytes.Clone(recorded()["NetrLogonSamLogonEx 6"].answer) }

// no is an answer that is a status alone.
func no(level uint16, status ntstatus.Status) []byte {
	out := append(binary.LittleEndian.AppendUint16(nil, level), 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(out, uint32(status))
}

// Where in an answer a value is, in bytes.
const (
	atUserID     = 108
	atGroupCount = 116
	atUserFlags  = 124
	atSessionKey = 128
	atSIDCount   = 204
	atSIDs       = 512 // the groups of other domains: how many, their attributes, their SIDs
	atSIDsEnd    = 580
)

// with changes four bytes of an answer.
func with(answer []byte, at int, value uint32) []byte {
	binary.LittleEndian.PutUint32(answer[at:], value)
	return answer
}

func someone() *Logon {
	return &Logon{Domain: "EXAMPLE", User: "müller", Workstation: "PC7", Challenge: [8]byte([]byte("12345678")), NTResponse: bytes.Repeat([]byte("n"), 49)}
}
