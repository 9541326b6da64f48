package dcerpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
)

// foretold is a security provider that knows all PDUs of a recorded connection: what
// it is asked to sign besides the stub must be what was signed then.
type foretold struct {
	t    *testing.T
	pdus []*pdu
}

func (*foretold) Type() uint8              { return 68 }
func (f *foretold) Token() ([]byte, error) { return f.next(kindBind).auth.value, nil }
func (*foretold) SignatureLen() int        { return 56 }

func (f *foretold) Accept(token []byte) error {
	if want := f.next(kindBindAck).auth.value; !bytes.Equal(token, want) {
		f.t.Errorf("the token: got %x, want %x", token, want)
	}
	return nil
}

func (f *foretold) next(k kind) *pdu {
	p := f.pdus[0]
	if f.pdus = f.pdus[1:]; p.kind != k {
		f.t.Fatalf("a PDU of type %d, and %d is next", k, p.kind)
	}
	return p
}

func (f *foretold) Seal(plain []byte, around Around) ([]byte, []byte, error) {
	p := f.next(kindRequest)
	sealed := p.body[requestHead:]
	f.signs(p, around)
	if len(plain) != len(sealed) {
		f.t.Errorf("call %d: %d bytes are sealed, want %d", p.callID, len(plain), len(sealed))
	}
	return sealed, p.auth.value, nil
}

func (f *foretold) Unseal(sealed []byte, around Around, signature []byte) ([]byte, error) {
	p := f.next(kindResponse)
	f.signs(p, around)
	if !bytes.Equal(sealed, p.body[responseHead:]) || !bytes.Equal(signature, p.auth.value) {
		f.t.Errorf("call %d: got %x and %x", p.callID, sealed, signature)
	}
	return sealed, nil
}

func (f *foretold) signs(p *pdu, around Around) {
	end := len(p.raw) - len(p.auth.value)
	if got := [2]string{string(around.Header), string(around.Trailer)}; got != [2]string{string(p.raw[:24]), string(p.raw[end-trailerLen : end])} {
		f.t.Errorf("call %d: signs %x", p.callID, got)
	}
}

// heard keeps what is said to a recording.
type heard struct {
	recording
	*bytes.Buffer
}

func (h heard) Read(b []byte) (int, error)  { return h.recording.Read(b) }
func (h heard) Write(b []byte) (int, error) { return h.Buffer.Write(b) }

// TestWinbind: around what winbind said to a Samba controller, sealed and not, we
// put the header, the call's, the padding and the trailer that it put there. The bind
// says how long our fragments may be, not winbind's.
func TestWinbind(t *testing.T) {
	text, err := os.ReadFile("../netlogon/testdata/winbind.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Connections [][]string }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, lines := range file.Connections {
		var pdus []*pdu
		var answers bytes.Buffer
		for i, line := range lines {
			_, raw, _ := strings.Cut(line, ": ")
			b, err := hex.DecodeString(raw)
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 1 {
				answers.Write(b)
			}
			p, err := readPDU(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			pdus = append(pdus, p)
		}
		stream := heard{recording{io.Reader(&answers)}, new(bytes.Buffer)}
		c := New(stream)
		c.lastCall = pdus[0].callID - 1
		var security Security
		if pdus[0].auth != nil {
			security = &foretold{t, pdus}
		}
		b, err := c.Bind(context.Background(), testInterface, security)
		if err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint16(pdus[0].raw[16:], maxFragment)
		binary.LittleEndian.PutUint16(pdus[0].raw[18:], maxFragment)
		for i := 0; i < len(pdus); i += 2 {
			p := pdus[i]
			if p.kind == kindRequest {
				stub := p.body[requestHead:]
				if p.auth != nil {
					stub = stub[:len(stub)-int(p.auth.padding)-verifiedLen(c, b)]
				}
				if _, err := b.Call(context.Background(), binary.LittleEndian.Uint16(p.body[6:]), stub); err != nil {
					t.Fatal(err)
				}
			}
			if got := stream.Next(len(p.raw)); !bytes.Equal(got, p.raw) {
				t.Errorf("PDU %d: got %x, want %x", i, got, p.raw)
			}
		}
		if stream.Len() != 0 {
			t.Errorf("%d bytes more than winbind said", stream.Len())
		}
	}
}

// verifiedLen is how much verified is about to put behind a stub.
func verifiedLen(c *Conn, b *Binding) int {
	fresh := *b
	return len(c.verified(nil, 0, &fresh, 0))
}
