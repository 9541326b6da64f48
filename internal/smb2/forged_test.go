package smb2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

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
		if _, err := p.Write([]byte("hello")); err != nil {
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
