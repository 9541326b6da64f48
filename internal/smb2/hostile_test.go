package smb2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

// change gives a twist that changes the answers to one command.
func change(command Command, with func(msg []byte) []byte) func(*header, []byte) [][]byte {
	return func(asked *header, msg []byte) [][]byte {
		if asked.command == command {
			msg = with(msg)
		}
		return [][]byte{msg}
	}
}

// patch overwrites bytes at a place of the message.
func patch(at int, b ...byte) func([]byte) []byte {
	return func(msg []byte) []byte {
		copy(msg[at:], b)
		return msg
	}
}

func cutTo(n int) func([]byte) []byte { return func(msg []byte) []byte { return msg[:n] } }

// interim is an answer that says that another will follow.
func interim(asked *header) []byte {
	h := header{command: asked.command, status: ntstatus.Pending, credits: 1, flags: flagResponse | flagAsync, messageID: asked.messageID, asyncID: 5, sessionID: asked.sessionID}
	return append(h.marshal(), errorBody...)
}

// TestHostileServer: each thing a server may do in the place of an answer is
// refused, with an error that says what is wrong, and in time. The account's
// session is null, so that no signature comes before.
func TestHostileServer(t *testing.T) {
	for _, c := range []struct {
		name  string
		twist func(asked *header, msg []byte) [][]byte
		want  error
	}{
		{"nothing", func(*header, []byte) [][]byte { return nil }, os.ErrDeadlineExceeded},
		{"empty", change(Negotiate, cutTo(0)), ErrMalformed},
		{"half a header", change(Negotiate, cutTo(63)), ErrMalformed},
		{"a header alone", change(Negotiate, cutTo(64)), ErrMalformed},
		{"SMB 1", change(Negotiate, patch(0, 0xFF)), ErrSMB1},
		{"encrypted, unasked", change(Negotiate, patch(0, 0xFD)), ErrMalformed},
		{"compressed, unasked", change(Negotiate, patch(0, 0xFC)), ErrMalformed},
		{"no SMB", change(Negotiate, func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }), ErrMalformed},
		{"another header", change(Negotiate, patch(4, 65)), ErrMalformed},
		{"a request", change(Negotiate, patch(flagsAt, 0)), ErrMalformed},
		{"another message's answer", change(TreeConnect, patch(messageIDAt, 99)), ErrMalformed},
		{"another session's answer", change(TreeConnect, patch(40, 99)), ErrMalformed},
		{"another session's log-on", func(asked *header, msg []byte) [][]byte {
			if asked.command == SessionSetup && asked.sessionID != 0 {
				msg[40]++
			}
			return [][]byte{msg}
		}, ErrMalformed},
		{"no session", change(SessionSetup, patch(40, make([]byte, 8)...)), ErrMalformed},
		{"another command's answer", change(TreeConnect, patch(12, byte(Create))), ErrMalformed},
		{"a chain of answers", change(TreeConnect, patch(20, 8)), ErrMalformed},
		{"an oplock break", change(Create, patch(messageIDAt, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"an error without a body", change(TreeConnect, func(msg []byte) []byte { return patch(8, 0x22, 0, 0, 0xC0)(msg[:64]) }), ntstatus.AccessDenied},
		{"another structure", change(TreeConnect, patch(headerLen, 17)), ErrMalformed},
		{"a dialect that was not offered", change(Negotiate, patch(headerLen+4, 0xFF, 0x02)), ErrDialect},
		{"sizes of zero", change(Negotiate, patch(headerLen+28, make([]byte, 12)...)), ErrMalformed},
		{"a token far away", change(Negotiate, patch(headerLen+56, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"a token in the header", change(SessionSetup, patch(headerLen+4, 0, 0)), ErrMalformed},
		{"contexts far away", change(Negotiate, patch(headerLen+60, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"contexts in the header", change(Negotiate, patch(headerLen+60, 0, 0, 0, 0)), ErrMalformed},
		{"65,535 contexts", change(Negotiate, patch(headerLen+6, 0xFF, 0xFF)), ErrMalformed},
		{"no contexts", change(Negotiate, patch(headerLen+6, 0, 0)), ErrMalformed},
		{"a disk", change(TreeConnect, patch(headerLen+2, 1)), ErrMalformed},
		{"a short CREATE", change(Create, cutTo(64+87)), ErrMalformed},
		{"more data than was asked for", change(Read, patch(headerLen+4, 0xFF, 0xFF, 0xFF, 0xFF)), ErrMalformed},
		{"data past the message", change(Read, patch(headerLen+4, 0xFF)), ErrMalformed},
		{"data in the header", change(Read, patch(headerLen+2, 8)), ErrMalformed},
		{"no data", change(Read, patch(headerLen+4, 0)), io.ErrNoProgress},
		{"the end", change(Read, patch(8, 0x11, 0, 0, 0xC0)), io.EOF},
		{"more written than was sent", change(Write, patch(headerLen+4, 0xFF)), ErrMalformed},
		{"less written than was sent", change(Write, patch(headerLen+4, 1)), io.ErrShortWrite},
		{"pending without end", func(asked *header, msg []byte) [][]byte {
			if asked.command != Read {
				return [][]byte{msg}
			}
			return [][]byte{interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked), interim(asked)}
		}, ErrMalformed},
		{"pending for ever", func(asked *header, msg []byte) [][]byte {
			if asked.command != Read {
				return [][]byte{msg}
			}
			return [][]byte{interim(asked)}
		}, os.ErrDeadlineExceeded},
		{"pending, and not async", change(Read, patch(8, 3, 1, 0, 0)), ntstatus.Pending},
		{"no credits", change(Negotiate, patch(14, 0, 0)), ErrCredits},
		{"a yes before the proof", func(asked *header, msg []byte) [][]byte {
			if asked.command == SessionSetup {
				copy(msg[8:], []byte{0, 0, 0, 0})
			}
			return [][]byte{msg}
		}, nil},
		{"more and more legs", change(SessionSetup, patch(8, 0x16, 0, 0, 0xC0)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{dialect: SMB311, signing: signAESCMAC, twist: c.twist}
			start := time.Now()
			err := use(t, s.start(t))
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if took := time.Since(start); took > 10*deadline {
				t.Errorf("it took %v", took)
			}
			t.Log(err)
		})
	}
}

// use opens a null session's pipe, writes and reads, all within the deadline.
func use(t *testing.T, nc net.Conn) error {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	p, err := OpenPipe(ctx, nc, PipeOptions{Server: "dc1", Name: "netlogon"})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.SetDeadline(time.Now().Add(deadline)); err != nil {
		return err
	}
	if _, err := p.Write([]byte("hello")); err != nil {
		return err
	}
	got := make([]byte, 5)
	if _, err = p.Read(got); err == nil && string(got) != "hello" {
		t.Errorf("got %q", got)
	}
	return err
}

// TestPending: one interim answer is no failure, and an unsigned one neither.
func TestPending(t *testing.T) {
	for _, account := range []*Account{nil, alice} {
		s := &server{dialect: SMB311, signing: signAESGMAC, twist: func(asked *header, msg []byte) [][]byte {
			return [][]byte{interim(asked), msg}
		}}
		p, err := openPipe(t, s, account)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Transceive([]byte("hello")); err != nil {
			t.Error(err)
		}
		p.Close()
	}
}

// TestForgedAnswers: in a signed session a changed answer, or an unsigned one,
// whatever it says, is refused and ends the connection.
func TestForgedAnswers(t *testing.T) {
	for _, d := range dialects {
		for _, c := range []struct {
			name  string
			twist func(msg []byte) []byte
			want  error
		}{
			{"changed data", func(msg []byte) []byte { msg[len(msg)-1] ^= 1; return msg }, ErrSignature},
			{"changed status", patch(8, 0x22, 0, 0, 0xC0), ErrSignature},
			{"unsigned", patch(flagsAt, byte(flagResponse)), ErrUnsigned},
			{"unsigned no", func(msg []byte) []byte {
				return patch(8, 0x03, 0x02, 0, 0xC0)(patch(flagsAt, byte(flagResponse))(msg[:headerLen+9]))
			}, ErrUnsigned},
			{"pending, not async, unsigned", func(msg []byte) []byte {
				return patch(8, 3, 1, 0, 0)(patch(flagsAt, byte(flagResponse))(msg))
			}, ErrUnsigned},
		} {
			t.Run(c.name+" "+d.String(), func(t *testing.T) {
				forged := false
				s := &server{dialect: d, signing: signAESCMAC, twist: func(asked *header, msg []byte) [][]byte {
					if asked.command == Read && !forged {
						msg, forged = c.twist(msg), true
					}
					return [][]byte{msg}
				}}
				if d < SMB300 {
					s.signing = signHMACSHA256
				}
				p, err := openPipe(t, s, alice)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				if _, err := p.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				for range 2 { // the next answer is right, and nobody may get it
					if _, err := p.Read(make([]byte, 5)); !errors.Is(err, c.want) {
						t.Errorf("got %v, want %v", err, c.want)
					}
				}
			})
		}
	}
}

// TestHostileFrames: what is wrong below SMB.
func TestHostileFrames(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(nc net.Conn)
		want error
	}{
		{"hangs up", func(nc net.Conn) {}, io.ErrUnexpectedEOF},
		{"hangs up within", func(nc net.Conn) { _, _ = nc.Write([]byte{0, 0, 0, 200, 0xFE, 'S'}) }, io.ErrUnexpectedEOF},
		{"16 MiB", func(nc net.Conn) { _, _ = nc.Write([]byte{0, 0xFF, 0xFF, 0xFF}) }, ErrMalformed},
		{"no frame", func(nc net.Conn) { _, _ = nc.Write([]byte("HTTP/1.1 400 Bad Request")) }, ErrMalformed},
		{"a keep-alive of NetBIOS", func(nc net.Conn) { _, _ = nc.Write([]byte{0x85, 0, 0, 0}) }, ErrMalformed},
		{"a trickle", func(nc net.Conn) {
			_, err := nc.Write([]byte{0, 0, 1, 0})
			for err == nil {
				time.Sleep(deadline / 20)
				_, err = nc.Write([]byte{0xFE})
			}
		}, os.ErrDeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer far.Close()
				if _, err := readFrame(far); err == nil {
					c.send(far)
				}
			}()
			start := time.Now()
			if err := use(t, near); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if took := time.Since(start); took > 10*deadline {
				t.Errorf("it took %v", took)
			}
			<-done
		})
	}
}

// TestFrameOfAnother says what is on the port.
func TestFrameOfAnother(t *testing.T) {
	var bad *MalformedError
	if _, err := readFrame(bytes.NewReader([]byte("HTTP/1.1 400"))); !errors.As(err, &bad) || bad.Field != "Zero" {
		t.Errorf("got %v, want an error about Zero", err)
	}
}

// TestBuffer: where offset and length may point.
func TestBuffer(t *testing.T) {
	b := body{name: "test", msg: append(make([]byte, 100), 1)[:100], size: 80}
	for _, c := range []struct {
		offset, length uint64
		ok             bool
	}{
		{80, 20, true}, {99, 1, true}, {0, 0, true}, {1 << 32, 0, true},
		{80, 21, false}, {100, 1, false}, {79, 1, false}, {0, 1, false}, {1<<32 - 1, 1<<32 - 1, false},
	} {
		if got, err := b.buffer("field", c.offset, c.length); (err == nil) != c.ok || c.ok && uint64(len(got)) != c.length {
			t.Errorf("%d, %d: got %d bytes, %v, want %v", c.offset, c.length, len(got), err, c.ok)
		}
	}
}

// TestIOCtlAnswer: another code's, and one that is longer than was asked for.
func TestIOCtlAnswer(t *testing.T) {
	msg := again(buildIOCtl(fsctlPipeTransceive, make([]byte, 10)))
	for _, c := range []struct {
		name    string
		code, n uint32
		ok      bool
	}{
		{"as asked", fsctlPipeTransceive, 10, true},
		{"another code", fsctlValidateNegotiate, 10, false},
		{"too long", fsctlPipeTransceive, 9, false},
	} {
		if got, err := parseIOCtl(msg, c.code, c.n); (err == nil) != c.ok || c.ok && len(got) != 10 {
			t.Errorf("%s: got %d bytes, %v", c.name, len(got), err)
		}
	}
}

// TestManyContexts: a list is bounded.
func TestManyContexts(t *testing.T) {
	n := &negotiated{dialect: SMB311}
	for i := range maxContexts + 1 {
		_, err := parseNegotiate(again(buildNegotiate(n)))
		if err != nil {
			t.Errorf("%d contexts: %v", i, err)
		}
		n.contexts = append(n.contexts, negotiateContext{kind: 0x100})
	}
	if _, err := parseNegotiate(again(buildNegotiate(n))); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want %v", err, ErrMalformed)
	}
}

// TestContexts: what a server of dialect 3.1.1 picks must have been offered, once.
func TestContexts(t *testing.T) {
	preauth := negotiateContext{contextPreauth, []byte{1, 0, 0, 0, hashSHA512, 0}}
	for _, c := range []struct {
		name     string
		contexts []negotiateContext
		signing  signingAlgorithm
		ok       bool
	}{
		{"the least", []negotiateContext{preauth}, signAESCMAC, true},
		{"GMAC", []negotiateContext{preauth, {contextSigning, []byte{1, 0, 2, 0}}}, signAESGMAC, true},
		{"unknown ones", []negotiateContext{{0x100, nil}, preauth, {0x100, nil}}, signAESCMAC, true},
		{"no cipher", []negotiateContext{preauth, {contextEncryption, []byte{1, 0, 0, 0}}}, signAESCMAC, true},
		{"none", nil, 0, false},
		{"twice", []negotiateContext{preauth, preauth}, 0, false},
		{"another hash", []negotiateContext{{contextPreauth, []byte{1, 0, 0, 0, 2, 0}}}, 0, false},
		{"two hashes", []negotiateContext{{contextPreauth, []byte{2, 0, 0, 0, 1, 0, 2, 0}}}, 0, false},
		{"half a hash", []negotiateContext{{contextPreauth, []byte{1, 0, 0, 0, 1}}}, 0, false},
		{"CCM, not offered", []negotiateContext{preauth, {contextEncryption, []byte{1, 0, 1, 0}}}, 0, false},
		{"HMAC, not offered", []negotiateContext{preauth, {contextSigning, []byte{1, 0, 0, 0}}}, 0, false},
		{"an empty one", []negotiateContext{preauth, {contextSigning, nil}}, 0, false},
	} {
		n := &negotiated{contexts: c.contexts}
		if err := n.choose(); (err == nil) != c.ok || c.ok && n.signing != c.signing || !c.ok && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v, want %v", c.name, n.signing, err, c.ok)
		}
	}
}

// TestSealed: nothing in the clear, of another session, or changed is taken.
func TestSealed(t *testing.T) {
	k := key(t, "000102030405060708090a0b0c0d0e0f")
	sealed := newSealer(k, k).seal([]byte("message"), 5)
	for _, c := range []struct {
		name string
		with func([]byte) []byte
		want error
	}{
		{"as it was", func(b []byte) []byte { return b }, nil},
		{"in the clear", patch(0, 0xFE), ErrMalformed},
		{"short", cutTo(51), ErrMalformed},
		{"no message", cutTo(52), ErrMalformed},
		{"another session's", patch(44, 6), ErrMalformed},
		{"not encrypted", patch(42, 0), ErrMalformed},
		{"another size", patch(36, 6), ErrMalformed},
		{"another nonce", patch(20, 9), ErrSignature},
		{"another tag", patch(4, 0), ErrSignature},
		{"another text", patch(52, 0), ErrSignature},
	} {
		got, err := newSealer(k, k).open(c.with(append([]byte(nil), sealed...)), 5)
		if !errors.Is(err, c.want) || err == nil && string(got) != "message" {
			t.Errorf("%s: got %q, %v, want %v", c.name, got, err, c.want)
		}
	}
	s := newSealer(k, k)
	if first, second := s.seal(nil, 5), s.seal(nil, 5); bytes.Equal(first[20:36], second[20:36]) {
		t.Error("a nonce comes twice")
	}
}
