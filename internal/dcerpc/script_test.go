package dcerpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testInterface = NewSyntax("12345678-1234-abcd-ef00-01234567cffb", 1, 0)

// request is one fragment as the server of a test got it.
type request struct {
	raw   []byte
	kind  kind
	flags uint8
	call  uint32
	auth  int
}

func readRequest(from io.Reader) (request, error) {
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(from, head); err != nil {
		return request{}, err
	}
	rest := make([]byte, int(binary.LittleEndian.Uint16(head[8:]))-headerLen)
	_, err := io.ReadFull(from, rest)
	return request{append(head, rest...), kind(head[2]), head[3], binary.LittleEndian.Uint32(head[12:]), int(binary.LittleEndian.Uint16(head[10:]))}, err
}

// serve has a server of the test's answer each fragment, until it answers nil.
func serve(t *testing.T, answer func(r request) []byte) *Conn {
	t.Helper()
	client, server := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer server.Close()
		for {
			r, err := readRequest(server)
			if err != nil {
				return
			}
			if raw := answer(r); raw != nil {
				if _, err := server.Write(raw); err != nil {
					return
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = client.Close()
		<-ended
	})
	return New(client)
}

// fragment is a PDU of the server's.
func fragment(k kind, flags uint8, call uint32, body []byte) []byte {
	return finish(append(appendHeader(nil, k, flags, call, 0), body...))
}

const whole = flagFirst | flagLast

// ack is the body of a bind_ack for one interface.
func ack(maxReceive, result, reason uint16, transfer Syntax) []byte {
	var w ndr.Writer
	w.Uint16(maxFragment)
	w.Uint16(maxReceive)
	w.Uint32(1)
	w.Uint16(6)
	w.Bytes([]byte("49152\x00"))
	w.Uint32(1)
	w.Uint16(result)
	w.Uint16(reason)
	transfer.write(&w)
	return w.Data()
}

// response is the body of a response in a context.
func response(context uint16, stub []byte) []byte {
	body := binary.LittleEndian.AppendUint32(nil, uint32(len(stub)))
	body = binary.LittleEndian.AppendUint16(body, context)
	return append(append(body, 0, 0), stub...)
}

func fault(status uint32) []byte {
	return binary.LittleEndian.AppendUint32(make([]byte, 8), status)
}

// withAuth puts an authentication trailer behind a PDU.
func withAuth(raw []byte, provider, level, padding uint8, contextID uint32, value []byte) []byte {
	raw = append(bytes.Clone(raw), provider, level, padding, 0)
	raw = append(binary.LittleEndian.AppendUint32(raw, contextID), value...)
	binary.LittleEndian.PutUint16(raw[10:], uint16(len(value)))
	return finish(raw)
}

// mask is a security provider of the tests: it turns bits around, and its
// signature is the number of the message and a sum of what was sealed and signed.
type mask struct{ n byte }

var errSignature = errors.New("the signature is wrong")

func (*mask) Type() uint8            { return 99 }
func (*mask) Token() ([]byte, error) { return []byte("hello"), nil }
func (*mask) SignatureLen() int      { return 4 }

func (*mask) Accept(token []byte) error {
	if string(token) != "hello to you" {
		return errors.New("the token is wrong")
	}
	return nil
}

func (m *mask) Seal(plain []byte, around Around) ([]byte, []byte, error) {
	sealed := flip(plain)
	signature := m.sign(sealed, around)
	m.n++
	return sealed, signature, nil
}

func (m *mask) Unseal(sealed []byte, around Around, signature []byte) ([]byte, error) {
	want := m.sign(sealed, around)
	m.n++
	if !bytes.Equal(signature, want) {
		return nil, errSignature
	}
	return flip(sealed), nil
}

func (m *mask) sign(sealed []byte, around Around) []byte {
	sum := byte(0)
	for _, b := range bytes.Join([][]byte{around.Header, sealed, around.Trailer}, nil) {
		sum += b
	}
	return []byte{'s', m.n, sum, 's'}
}

func flip(in []byte) []byte {
	out := make([]byte, len(in))
	for i, b := range in {
		out[i] = b ^ 0x55
	}
	return out
}

// sealedFragment is a response that the server's provider seals.
func sealedFragment(m *mask, signs bool, flags uint8, call uint32, stub []byte) []byte {
	padding := -len(stub) & (authPadding - 1)
	plain := append(bytes.Clone(stub), make([]byte, padding)...)
	raw := withAuth(fragment(kindResponse, flags, call, response(0, plain)), 99, levelPrivacy, uint8(padding), authContextID, nil4)
	sealed, signature, _ := m.Seal(plain, around(raw, signs))
	copy(raw[headerLen+responseHead:], sealed)
	copy(raw[len(raw)-len(signature):], signature)
	return raw
}

// around is what the mask signs of a PDU besides what it seals.
func around(raw []byte, signs bool) Around {
	if !signs {
		return Around{}
	}
	at := len(raw) - len(nil4)
	return Around{raw[:headerLen+requestHead], raw[at-trailerLen : at]}
}

// signing says in the answer to a bind that the server signs headers.
func signing(raw []byte, signs bool) []byte {
	if signs {
		raw[3] |= flagSignsHeaders
	}
	return raw
}

// welcome answers a bind with a yes.
func welcome(r request) []byte {
	raw := fragment(kindBindAck, whole, r.call, ack(maxFragment, 0, 0, NDR))
	if r.auth > 0 {
		raw = withAuth(raw, 99, levelPrivacy, 0, authContextID, []byte("hello to you"))
	}
	return raw
}

func bind(t *testing.T, c *Conn, s Security) *Binding {
	t.Helper()
	b, err := c.Bind(context.Background(), testInterface, s)
	if err != nil {
		t.Fatalf("bind: %v", err)
	}
	return b
}
