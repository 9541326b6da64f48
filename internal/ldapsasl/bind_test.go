package ldapsasl

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// script is a server that answers each request with the next message.
type script struct {
	answers [][]byte
	sent    bytes.Buffer
	in      bytes.Buffer
}

func (s *script) Write(p []byte) (int, error) {
	if len(s.answers) > 0 {
		s.in.Write(s.answers[0])
		s.answers = s.answers[1:]
	}
	return s.sent.Write(p)
}

func (s *script) Read(p []byte) (int, error) { return s.in.Read(p) }

func TestBind(t *testing.T) {
	server := &script{answers: [][]byte{
		bindResponse(1, 14, "", []byte("challenge\x00\xff")),
		bindResponse(2, 0, "", nil),
	}}
	b := NewBind(server)
	answer, done, err := b.Step([]byte("negotiate\x00\xff"))
	if err != nil || done || string(answer) != "challenge\x00\xff" {
		t.Fatalf("first leg: got %q, %v, %v", answer, done, err)
	}
	if _, done, err = b.Step([]byte("authenticate")); err != nil || !done {
		t.Fatalf("second leg: got done %v, %v", done, err)
	}
	if _, _, err := b.Step(nil); !errors.Is(err, ErrEnded) {
		t.Errorf("third leg: got %v, want %v", err, ErrEnded)
	}
	for i, want := range []string{"negotiate\x00\xff", "authenticate"} {
		request, err := ber.ReadPacket(&server.sent)
		if err != nil {
			t.Fatal(err)
		}
		bind := request.Children[1]
		if got := bind.Children[2].Children[1].Data.String(); got != want {
			t.Errorf("leg %d sent %q, want %q", i+1, got, want)
		}
		if got := bind.Children[2].Children[0].Data.String(); got != Mechanism {
			t.Errorf("leg %d sent mechanism %q", i+1, got)
		}
	}
}

func TestBindRefusals(t *testing.T) {
	unasked := bindResponse(7, 0, "", nil)
	foreign := bytes.Clone(bindResponse(1, 0, "", nil))
	foreign[bytes.IndexByte(foreign, 0x61)] = 0x65 // searchResDone
	for _, c := range []struct {
		name   string
		answer []byte
		want   error
		code   uint16
	}{
		{"refused", bindResponse(1, 49, "no", nil), nil, 49},
		{"another message's answer", unasked, ErrMalformed, 0},
		{"another operation's answer", foreign, ErrMalformed, 0},
		{"no LDAP", []byte("SSH-2.0-OpenSSH"), ErrMalformed, 0},
		{"hangs up", nil, io.ErrUnexpectedEOF, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBind(&script{answers: [][]byte{c.answer}})
			_, done, err := b.Step([]byte("negotiate"))
			var result *Result
			if errors.As(err, &result) != (c.code != 0) || result != nil && result.Code != c.code {
				t.Errorf("got %v, want code %d", err, c.code)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if done || err == nil {
				t.Errorf("got done %v, %v", done, err)
			}
			if _, _, err := b.Step(nil); !errors.Is(err, ErrEnded) {
				t.Errorf("a step after a failure: got %v, want %v", err, ErrEnded)
			}
		})
	}
}

func TestGate(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"answer", bindResponse(1, 0, "", nil), nil},
		{"answer to the future", bindResponse(2, 0, "", nil), ErrMalformed},
		{"notice of disconnection", bindResponse(0, 52, "", nil), ErrNotice},
		{"garbage", []byte("\xff\xff\xff\xff"), ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			defer server.Close()
			go func() {
				_, _ = ReadMessage(server, MaxBind)
				_, _ = server.Write(c.answer)
			}()
			g := NewGate(client)
			if _, err := g.Write(startTLSRequest(1).Bytes()); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(c.answer))
			_, err := io.ReadFull(g, got)
			if c.want == nil && (err != nil || !bytes.Equal(got, c.answer)) {
				t.Errorf("got %q, %v, want %q", got, err, c.answer)
			}
			if c.want != nil && (!errors.Is(err, c.want) || !errors.Is(g.Err(), c.want)) {
				t.Errorf("got %v and %v, want %v", err, g.Err(), c.want)
			}
		})
	}
}
