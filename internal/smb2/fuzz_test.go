package smb2

import (
	"bytes"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// The fuzzers read their seeds from testdata/fuzz: answers of a Samba controller
// and of Windows, and hostile ones. What is read must come out the same when it
// is written and read again.

// again writes a body behind a header, for a parser.
func again(body []byte) []byte { return append((&header{flags: flagResponse}).marshal(), body...) }

func same(t *testing.T, first, second any, err error) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("got %+v, %v, want %+v", second, err, first)
	}
}

// FuzzLogon: the parsers of what comes before and in a log-on. The first byte picks
// one.
func FuzzLogon(f *testing.F) {
	parsers := [...]func(t *testing.T, msg []byte, n uint64){fuzzHeader, fuzzNegotiate, fuzzContexts, fuzzSetup}
	f.Fuzz(func(t *testing.T, which byte, msg []byte, n uint64) { parsers[int(which)%len(parsers)](t, msg, n) })
}

// FuzzPipeAnswers: those of the answers to what is asked of a pipe.
func FuzzPipeAnswers(f *testing.F) {
	parsers := [...]func(t *testing.T, msg []byte, n uint64){fuzzTree, fuzzCreate, fuzzRead, fuzzWrite, fuzzIOCtl}
	f.Fuzz(func(t *testing.T, which byte, msg []byte, n uint64) { parsers[int(which)%len(parsers)](t, msg, n) })
}

// FuzzTransport: frames, and what is sealed in them.
func FuzzTransport(f *testing.F) {
	parsers := [...]func(t *testing.T, msg []byte, n uint64){fuzzFrame, fuzzSealed}
	f.Fuzz(func(t *testing.T, which byte, msg []byte, n uint64) { parsers[int(which)%len(parsers)](t, msg, n) })
}

// FuzzConversation: all that a server sends in a whole conversation.
func FuzzConversation(f *testing.F) {
	parsers := [...]func(t *testing.T, msg []byte, n uint64){fuzzRelay, fuzzPipe}
	f.Fuzz(func(t *testing.T, which byte, msg []byte, n uint64) { parsers[int(which)%len(parsers)](t, msg, n) })
}

func fuzzHeader(t *testing.T, msg []byte, _ uint64) {
	if first, err := parseHeader(msg); err == nil {
		second, err := parseHeader(first.marshal())
		same(t, first, second, err)
	}
}

func fuzzNegotiate(t *testing.T, msg []byte, _ uint64) {
	first, err := parseNegotiate(msg)
	if err != nil {
		return
	}
	if len(first.contexts) > 0 || first.dialect != SMB311 {
		if len(first.token) < 60000 { // what the builder's offsets hold
			second, err := parseNegotiate(again(buildNegotiate(first)))
			same(t, first, second, err)
		}
	}
	if err := first.check(&negotiateRequest{dialects: dialects}); err == nil && first.dialect == SMB311 && first.signing != signAESCMAC && first.signing != signAESGMAC {
		t.Errorf("it signs by %d", first.signing)
	}
	_ = first.validate(msg)
}

func fuzzContexts(t *testing.T, list []byte, n uint64) {
	count := uint16(n)
	b := body{name: "fuzz", msg: again(list), size: headerLen}
	contexts, err := readContexts(b, headerLen, int(count))
	if err != nil {
		return
	}
	b.msg = appendContexts(again(nil), contexts)
	second, err := readContexts(b, headerLen, int(count))
	same(t, contexts, second, err)
	_ = (&negotiated{contexts: contexts}).choose()
}

func fuzzSetup(t *testing.T, msg []byte, _ uint64) {
	if first, err := parseSetup(msg); err == nil {
		second, err := parseSetup(again(buildSetup(first)))
		first.token, second.token = bytes.Clone(first.token), bytes.Clone(second.token)
		same(t, first, second, err)
	}
}

func fuzzTree(t *testing.T, msg []byte, _ uint64) {
	if first, err := parseTree(msg); err == nil {
		second, err := parseTree(again(buildTree(first)))
		same(t, first, second, err)
	}
}

func fuzzCreate(t *testing.T, msg []byte, _ uint64) {
	if first, err := parseCreate(msg); err == nil {
		second, err := parseCreate(again(buildCreate(first)))
		same(t, first, second, err)
	}
}

func fuzzRead(t *testing.T, msg []byte, size uint64) {
	n := uint32(size)
	first, err := parseRead(msg, n)
	if err != nil {
		return
	}
	if uint64(len(first)) > uint64(n) {
		t.Errorf("got %d bytes of %d", len(first), n)
	}
	second, err := parseRead(again(buildRead(first)), n)
	same(t, first, second, err)
}

func fuzzWrite(t *testing.T, msg []byte, size uint64) {
	n := uint16(size)
	if first, err := parseWrite(msg, int(n)); err == nil {
		second, err := parseWrite(again(buildWrite(first)), int(n))
		same(t, first, second, err)
	}
}

func fuzzIOCtl(t *testing.T, msg []byte, both uint64) {
	code, n := uint32(both>>32), uint32(both)
	if first, err := parseIOCtl(msg, code, n); err == nil {
		second, err := parseIOCtl(again(buildIOCtl(code, first)), code, n)
		same(t, first, second, err)
	}
}

func fuzzFrame(t *testing.T, stream []byte, _ uint64) {
	first, err := readFrame(bytes.NewReader(stream))
	if err != nil {
		return
	}
	var out bytes.Buffer
	if err := writeFrame(&out, first); err != nil || !bytes.HasPrefix(stream, out.Bytes()) {
		t.Errorf("got %x, %v, want the start of %x", out.Bytes(), err, stream)
	}
}

func fuzzSealed(t *testing.T, msg []byte, session uint64) {
	var k ntlm.Key
	if plain, err := newSealer(k, k).open(msg, session); err == nil {
		got, err := newSealer(k, k).open(newSealer(k, k).seal(plain, session), session)
		same(t, plain, got, err)
	}
}

// recording is a connection whose other end has said all before it was asked.
type recording struct {
	io.Reader
	net.Conn
}

func (r recording) Read(b []byte) (int, error)  { return r.Reader.Read(b) }
func (recording) Write(b []byte) (int, error)   { return len(b), nil }
func (recording) SetDeadline(t time.Time) error { return nil }
func (recording) Close() error                  { return nil }

// fuzzRelay: whatever a server sends in the whole of a log-on, it is a yes only
// where the last answer is one, signed, and somebody's.
func fuzzRelay(t *testing.T, stream []byte, _ uint64) {
	r := NewRelay(recording{Reader: bytes.NewReader(stream)})
	_, more, err := r.Start(t.Context(), []byte("token"))
	for err == nil && more {
		_, more, err = r.Next(t.Context(), []byte("token"))
	}
	if err != nil {
		return
	}
	last := stream
	for rest := bytes.NewReader(stream); ; { // the answer to the last request
		if last, err = readFrame(rest); err != nil {
			t.Fatal(err)
		}
		if h, _ := parseHeader(last); h.messageID == r.c.next-1 && h.status != ntstatus.Pending {
			break
		}
	}
	h, _ := parseHeader(last)
	s, err := parseSetup(last)
	if err != nil || h.flags&flagSigned == 0 || s.flags&(sessionGuest|sessionNull) != 0 || h.signature == [signatureLen]byte{} {
		t.Errorf("yes by %+v, %+v, %v", h, s, err)
	}
}

// fuzzPipe: the same for a null session's pipe, which has no signatures to stop
// what comes.
func fuzzPipe(t *testing.T, stream []byte, _ uint64) {
	p, err := openUnsigned(t.Context(), recording{Reader: bytes.NewReader(stream)})
	if err != nil {
		return
	}
	_, _ = p.Write(make([]byte, 72)) // as much as Samba was sent
	_, _ = io.CopyN(io.Discard, p, 1<<20)
	_ = p.Close()
}
